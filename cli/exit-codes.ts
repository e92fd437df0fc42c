/** What commands exit with; the numbers above 2 are sysexits.h's. The README's table is held equal to this one by a test. */
import { EXIT_CONFIG } from '../config.ts';
import type { MillraceError } from '../errors.ts';

export const EXIT = {
  ok: 0,
  /** The work was done and has failed: an item, an output that was checked. */
  failed: 1,
  /** EX_USAGE: arguments that the command does not take. */
  usage: 64,
  /** EX_DATAERR: a file or a document that is not what it should be. */
  data: 65,
  /** EX_UNAVAILABLE: the bucket, the queue or RunPod did not answer. */
  unavailable: 69,
  /** EX_SOFTWARE: a defect of Millrace. */
  internal: 70,
  /** EX_CONFIG: the environment is not right. */
  config: EXIT_CONFIG,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export function exitCodeOf({ code, retryable }: MillraceError): ExitCode {
  switch (code) {
    case 'CONFIG_INVALID':
    case 'FFMPEG_MISSING':
    case 'GPU_REQUIRED':
    case 'CONDITIONAL_CREATE_UNSUPPORTED':
    case 'RUN_UNAUTHORIZED':
    case 'STORE_FORBIDDEN':
    case 'QUEUE_FORBIDDEN':
    case 'QUEUE_NOT_PULLABLE':
      return EXIT.config;
    case 'USAGE':
      return EXIT.usage;
    case 'MANIFEST_INVALID':
    case 'MANIFEST_NOT_JSON':
    case 'MANIFEST_TOO_LARGE':
    case 'GRAPH_INVALID':
    case 'URI_INVALID':
    case 'MESSAGE_NOT_JSON':
    case 'MESSAGE_NOT_NOTIFICATION':
      return EXIT.data;
    // Most often a bucket or a queue that does not exist.
    case 'STORE_ERROR':
    case 'QUEUE_ERROR':
      return retryable ? EXIT.unavailable : EXIT.config;
    case 'INTERNAL':
      return EXIT.internal;
    default:
      return retryable ? EXIT.unavailable : EXIT.failed;
  }
}
