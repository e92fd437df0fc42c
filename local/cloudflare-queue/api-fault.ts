/** Errors as Cloudflare's API answers them. The codes are Cloudflare's where they are known: 7003, 10000 and 10001. */

export class ApiFault extends Error {
  override readonly name = 'ApiFault';
  readonly status: number;
  readonly code: number;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, code: number, message: string, retryAfterSeconds?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export const noRoute = () => new ApiFault(404, 7003, 'No route for the URI');
export const notAuthenticated = () => new ApiFault(401, 10_000, 'Authentication error');
export const invalidRequest = (message: string) => new ApiFault(400, 10_001, message);
export const tooLarge = (message: string) => new ApiFault(413, 10_002, message);
export const queuePaused = () => new ApiFault(409, 10_003, 'queue_delivery_paused');
export const noPullConsumer = () => new ApiFault(405, 10_004, 'Queue has no HTTP pull consumer: enable it first');
export const queueNotFound = () => new ApiFault(404, 10_005, 'Queue not found');
