/**
 * SQS's numbers, each from the AWS documentation (the API reference and the developer guide's quotas), and the few
 * bounds that are this program's own.
 */

export const MAX_BATCH_ENTRIES = 10;
/** Of one message, and of all the messages of one batch together (1 MiB since August 2025; 256 KiB before). */
export const MAX_PAYLOAD_BYTES = 1_048_576;
export const MAX_MESSAGE_ATTRIBUTES = 10;
export const MAX_WAIT_SECONDS = 20;
export const MAX_DELAY_SECONDS = 900;
export const MAX_VISIBILITY_SECONDS = 43_200;
export const MAX_IN_FLIGHT = 120_000;
export const MAX_RECEIVE_COUNT = 1_000;
export const MAX_REDRIVE_ALLOW_SOURCES = 10;
export const MAX_QUEUES_PER_PAGE = 1_000;
export const MAX_TAGS = 50;
export const PURGE_INTERVAL_MS = 60_000;
export const MAX_MOVES_PER_SECOND = 500;
/** How many of a source's move tasks are shown, and kept. */
export const MAX_LISTED_MOVE_TASKS = 10;
export const MAX_CLOCK_SKEW_MS = 15 * 60_000;

/** A full payload whose every byte JSON escapes into six. */
export const MAX_REQUEST_BYTES = 7 * 1_048_576;
/** Messages past their maxReceiveCount that one receive moves before it answers with what it has. */
export const MAX_DEAD_LETTERS_PER_RECEIVE = 500;
/** Changes that share one commit, and so one wait for the disk. */
export const MAX_CHANGES_PER_COMMIT = 200;
export const EXPIRY_SWEEP_INTERVAL_MS = 60_000;
/** Deleted in one go, so that a sweep does not hold up requests for long. */
export const MAX_EXPIRED_PER_SWEEP = 10_000;
