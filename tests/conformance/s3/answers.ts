/** What a refused call was refused with. */
import { S3ServiceException } from '@aws-sdk/client-s3';

export interface Refusal {
  readonly status: number | undefined;
  readonly code: string;
}

/** Fails where the call succeeds. */
export async function refusal(call: Promise<unknown>): Promise<Refusal> {
  try {
    await call;
  } catch (error) {
    if (error instanceof S3ServiceException) return { status: error.$metadata.httpStatusCode, code: error.name };
    throw error;
  }
  throw new Error('the call was not refused');
}

/** Of an answer to a request that was made without an SDK. */
export async function answerOf(response: Response): Promise<Refusal> {
  const body = await response.text();
  return { status: response.status, code: /<Code>([^<]*)<\/Code>/.exec(body)?.[1] ?? '' };
}
