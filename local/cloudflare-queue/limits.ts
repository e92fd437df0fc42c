/** Cloudflare Queues' numbers, from its documentation (limits, pull consumers), and the few bounds that are this program's own. */

export const MAX_BATCH_SIZE = 100;
export const DEFAULT_BATCH_SIZE = 5;
/** A kilobyte is 1,000 bytes; each message counts so many bytes more than its body. */
export const MAX_MESSAGE_BYTES = 128_000;
export const MAX_BATCH_BYTES = 256_000;
export const MESSAGE_OVERHEAD_BYTES = 100;
export const DEFAULT_VISIBILITY_MS = 30_000;
export const MAX_VISIBILITY_MS = 12 * 3_600_000;
export const MAX_DELAY_SECONDS = 86_400;
export const DEFAULT_MAX_RETRIES = 3;
export const MAX_RETRIES = 100;
export const DEFAULT_RETENTION_SECONDS = 4 * 86_400;

/** A full batch whose every byte JSON escapes into six. */
export const MAX_REQUEST_BYTES = 2_000_000;
/** Messages that have had their last attempt and that one pull moves or deletes. */
export const MAX_EXHAUSTED_PER_PULL = 500;
