/**
 * The one error class, and the one table of codes.
 *
 * A code is stable: people write alerts and runbooks against it. `retryable` says whether doing the same
 * thing again, unchanged, can help.
 */

interface CodeEntry {
  readonly retryable: boolean;
  readonly meaning: string;
}

const table = {
  // Configuration and start-up
  CONFIG_INVALID: { retryable: false, meaning: 'The environment does not hold what this program needs.' },
  USAGE: { retryable: false, meaning: 'A command was called with arguments it does not take.' },
  FFMPEG_MISSING: { retryable: false, meaning: 'No usable ffmpeg or ffprobe was found on this machine.' },
  EMULATOR_MISSING: { retryable: false, meaning: "Google's Pub/Sub emulator is not installed on this machine." },
  GPU_REQUIRED: { retryable: false, meaning: 'MILLRACE_REQUIRE_GPU is set, and no GPU here proved that it can encode H.264.' },
  CONDITIONAL_CREATE_UNSUPPORTED: {
    retryable: false,
    meaning: 'The store lets several writers create the same key, so claims would mean nothing there.',
  },

  // Manifests and jobs (written into problem objects)
  MANIFEST_NOT_JSON: { retryable: false, meaning: 'A manifest is not a JSON document.' },
  MANIFEST_INVALID: { retryable: false, meaning: 'A field of a manifest is not what its schema asks for.' },
  MANIFEST_TOO_LARGE: { retryable: false, meaning: 'A manifest has more bytes or entries than the settings allow.' },
  MANIFEST_MISPLACED: { retryable: false, meaning: 'A manifest lies where no stage reads it.' },
  MANIFEST_TWICE: { retryable: false, meaning: 'The same manifest lies in two places of one job.' },
  INPUT_AMBIGUOUS: { retryable: false, meaning: 'Several objects match an input that takes one.' },
  GRAPH_INVALID: { retryable: false, meaning: 'A pipeline.json contradicts itself.' },
  REFERENCE_UNKNOWN: { retryable: false, meaning: 'A ${…} reference names something that is not there.' },
  OUTPUT_NOT_ALLOWED: { retryable: false, meaning: 'An output key leaves the job, or is reserved, or is written twice.' },
  URI_NOT_ALLOWED: { retryable: false, meaning: 'A manifest names a URI that the settings do not allow.' },
  ENDPOINT_NOT_ALLOWED: { retryable: false, meaning: 'A job names a RunPod endpoint that the settings do not name.' },
  WEBHOOKS_DISABLED: { retryable: false, meaning: 'A job names a receiver for webhooks, which this deployment does not call.' },
  JOB_PIPELINE_DISABLED: { retryable: false, meaning: 'This deployment does not let a job bring its own pipeline.json.' },

  // Messages and events
  MESSAGE_NOT_JSON: { retryable: false, meaning: 'A queue message is not JSON.' },
  MESSAGE_NOT_NOTIFICATION: { retryable: false, meaning: 'A queue message is JSON, but no bucket notification.' },
  BUCKET_NOT_ALLOWED: { retryable: false, meaning: 'An event came from a bucket that the settings do not name.' },
  KEY_INVALID: { retryable: false, meaning: 'A key under the pipelines prefix holds no valid job id.' },

  // Queues
  QUEUE_UNREACHABLE: {
    retryable: true,
    meaning: 'The queue did not answer, or answered with a server error or nothing readable.',
  },
  QUEUE_BUSY: { retryable: true, meaning: 'The queue asks for fewer requests (429).' },
  QUEUE_PAUSED: { retryable: true, meaning: 'Somebody has paused the delivery of the queue.' },
  QUEUE_FORBIDDEN: { retryable: false, meaning: 'The queue refused the credentials.' },
  QUEUE_NOT_PULLABLE: { retryable: false, meaning: 'The queue has no HTTP pull consumer.' },
  QUEUE_ERROR: { retryable: false, meaning: 'The queue refused a request for another reason.' },

  // Storage
  URI_INVALID: { retryable: false, meaning: 'A URI cannot be read as s3://, gs:// or https://.' },
  STORE_UNREACHABLE: { retryable: true, meaning: 'The bucket did not answer, or answered with a server error.' },
  STORE_FORBIDDEN: { retryable: false, meaning: 'The bucket refused the credentials.' },
  STORE_ERROR: { retryable: false, meaning: 'The bucket refused a request for another reason.' },
  PRESIGN_IMPOSSIBLE: { retryable: false, meaning: 'A URL cannot be presigned for as long as a run may wait and work.' },

  // RunPod
  RUN_REFUSED: { retryable: true, meaning: 'RunPod did not take a run (rate limit, outage, or a refusal).' },
  RUN_UNAUTHORIZED: { retryable: false, meaning: 'RunPod refused the API key, or does not know the endpoint.' },
  RUN_UNCERTAIN: { retryable: true, meaning: 'A /run call got no answer: the run may or may not exist.' },
  RUN_TOO_LARGE: { retryable: false, meaning: 'The input of a run is larger than RunPod takes.' },
  RUN_LOST: { retryable: true, meaning: 'RunPod no longer knows a run that left no result.' },
  RUN_FAILED: { retryable: true, meaning: 'RunPod reports a run as failed, and the worker left no result.' },
  RUN_TIMED_OUT: { retryable: true, meaning: 'RunPod ended a run at its execution timeout.' },
  RESULT_MISSING: { retryable: true, meaning: 'A run completed without its output or its result in the bucket.' },
  DISPATCH_LOST: { retryable: true, meaning: 'A claim was taken, but no run was recorded for it.' },
  ATTEMPTS_EXHAUSTED: { retryable: false, meaning: 'An item used up its attempts.' },

  // Webhooks (written beside each attempt to send one)
  WEBHOOK_FAILED: {
    retryable: true,
    meaning: 'A webhook got no answer in time, or one that may mend (408, 425, 429, 5xx).',
  },
  WEBHOOK_REFUSED: {
    retryable: false,
    meaning: "A webhook's receiver answered with a redirect or another 4xx, or its address is one that is not called.",
  },

  // The HTTP API
  REQUEST_INVALID: { retryable: false, meaning: 'A request is not what its route takes.' },
  UNAUTHENTICATED: { retryable: false, meaning: 'A request came without a valid token or session.' },
  ORIGIN_REFUSED: {
    retryable: false,
    meaning: 'A request came from a page of another origin, or under a name that is not this server.',
  },
  NOT_FOUND: { retryable: false, meaning: 'There is nothing at this address.' },
  METHOD_NOT_ALLOWED: { retryable: false, meaning: 'The address is known, but not with this method.' },
  CONFLICT: { retryable: false, meaning: 'What is asked for does not fit the state that things are in.' },
  REQUEST_TOO_LARGE: { retryable: false, meaning: 'The body of a request is larger than its route takes.' },
  MEDIA_TYPE_UNSUPPORTED: { retryable: false, meaning: 'The body of a request is not JSON.' },
  RANGE_UNSATISFIABLE: { retryable: false, meaning: 'A range of an object lies behind its end.' },
  RATE_LIMITED: { retryable: true, meaning: 'Too many requests came in a short time.' },
  BUSY: { retryable: true, meaning: 'This server has as much of that to do as it takes, or it is stopping.' },

  // Worker
  TASK_UNKNOWN: { retryable: false, meaning: 'The worker has no task of that name.' },
  PARAMETERS_INVALID: { retryable: false, meaning: "A task's parameters are not what its schema asks for." },
  INPUT_INVALID: { retryable: false, meaning: 'An input is not media that the task can read.' },
  INPUT_TOO_SHORT: { retryable: false, meaning: 'A segment ends after its source does.' },
  CODEC_UNSUPPORTED: { retryable: false, meaning: 'An input uses a codec that this ffmpeg cannot decode.' },
  SOURCE_MISSING: { retryable: false, meaning: 'An input is not there (404).' },
  SOURCE_FORBIDDEN: { retryable: false, meaning: 'An input may not be read (401 or 403).' },
  SOURCE_CHANGED: { retryable: true, meaning: 'An input is not the version that the run was planned with.' },
  SOURCE_UNREACHABLE: { retryable: true, meaning: 'An input could not be read to its end.' },
  SOURCE_REFUSED: { retryable: false, meaning: 'An input points where the worker will not go.' },
  NO_PRESIGN_METHOD_AVAILABLE: {
    retryable: false,
    meaning: 'An s3:// input came without credentials and without R2_PUBLIC_BASE_URL to read it from.',
  },
  PUBLIC_GET_FAILED: { retryable: true, meaning: 'Reading an input through R2_PUBLIC_BASE_URL failed.' },
  DESTINATION_REFUSED: { retryable: false, meaning: 'The store refused an output.' },
  DESTINATION_UNREACHABLE: { retryable: true, meaning: 'An output could not be written to its end.' },
  PRESIGNED_URL_EXPIRED: { retryable: true, meaning: 'A presigned URL ran out before it was used.' },
  TOO_LARGE: { retryable: false, meaning: 'A file is larger than its way allows.' },
  DISK_FULL: { retryable: true, meaning: "The worker's disk is full." },
  ANSWER_TOO_LARGE: { retryable: false, meaning: "RunPod did not take a worker's answer, most likely because of its size." },
  TIME_LIMIT: { retryable: false, meaning: 'A task took longer than its time limit.' },
  FFMPEG_FAILED: { retryable: false, meaning: 'ffmpeg ended with an error that no other code describes.' },
  OUTPUT_INVALID: { retryable: true, meaning: 'What ffmpeg wrote is not what was asked for; it was not uploaded.' },
  GPU_FAILED: { retryable: true, meaning: 'The GPU failed to decode, scale or encode.' },
  GPU_OUT_OF_MEMORY: { retryable: true, meaning: 'The GPU has no encoding session or no memory left for now.' },
  CANCELLED: { retryable: true, meaning: 'The work was stopped before its end.' },
  INTERNAL: { retryable: true, meaning: 'A defect in Millrace, or a condition that it does not know.' },
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof table;

/** Every code with its meaning and whether trying again can help. `docs/error-codes.md` is held equal to it by a test. */
export const ERROR_CODES: Readonly<Record<ErrorCode, CodeEntry>> = table;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(table, text);
}

/** Values that are safe to print: never a presigned URL, a key or an argument list. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | undefined>>;

export interface MillraceErrorOptions {
  readonly cause?: unknown;
  readonly context?: ErrorContext;
  /** Overrides the table, where one occurrence of a code is known to differ from the rule. */
  readonly retryable?: boolean;
  /** One sentence: what the reader should do. */
  readonly fix?: string;
}

/** The only error this program throws on purpose. `message` is one short sentence without secrets. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly context: ErrorContext;
  readonly fix: string | undefined;

  constructor(code: ErrorCode, message: string, options: MillraceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? table[code].retryable;
    this.context = options.context ?? {};
    this.fix = options.fix;
  }
}

/** Anything thrown, as a MillraceError; what is not one already becomes `code` with the original as its cause. */
export function asMillraceError(thrown: unknown, code: ErrorCode = 'INTERNAL'): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new MillraceError(code, withoutSecrets(message), { cause: thrown });
}

const QUERY_STRING = /(\b(?:https?|s3|gs):\/\/[^\s"'<>?]+)\?[^\s"'<>]*/gi;
const USER_INFO = /(\b(?:https?|s3|gs):\/\/)[^\s/@"'<>]+@/gi;

/** The same text with the query string and user info of every URL cut off: that is where presigned signatures are. */
export function withoutSecrets(text: string): string {
  return text.replace(QUERY_STRING, '$1?…').replace(USER_INFO, '$1…@');
}
