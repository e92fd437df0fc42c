/**
 * Conditional creation on Google: `ifGenerationMatch=0` answers 412 to whoever comes second, and a request sent again because its
 * reply was lost comes second to itself. The mark that tells the two apart is that of s3-create.ts.
 */
import { GcsRefusal, isNetworkFailure } from './gcs-errors.ts';
import { insertRequest, type Upload } from './gcs-upload.ts';
import type { ObjectHead } from './object-store.ts';
import { CREATE_MARK } from './s3-create.ts';

/** Google takes about one write a second per key. */
const MAX_CREATE_ATTEMPTS = 6;

export interface GcsCreation {
  readonly upload: Upload;
  readonly head: (key: string, signal: AbortSignal | undefined) => Promise<ObjectHead | null>;
  /** A new text every time. */
  readonly randomId: () => string;
}

/** True where this call created the object. Throws what the client throws, where the end stays unknown. */
export async function createGcsObject(creation: GcsCreation, body: Uint8Array | string): Promise<boolean> {
  const { upload, head, randomId } = creation;
  const { client, key, options } = upload;
  const mark = randomId();
  const request = insertRequest(upload, body, { [CREATE_MARK]: mark });
  let uncertain = false;
  for (let attempt = 1; ; attempt++) {
    try {
      const { body: answer } = await client.once(request);
      answer.resume();
      return true;
    } catch (thrown) {
      const status = thrown instanceof GcsRefusal ? thrown.status : undefined;
      if (status === 412) return uncertain ? (await head(key, options.signal))?.metadata[CREATE_MARK] === mark : false;
      const isLost = status === undefined ? isNetworkFailure(thrown) : status === 408 || status >= 500;
      const isBusy = status === 409 || status === 429;
      uncertain ||= isLost;
      if (!(isLost || isBusy) || status === 501) throw thrown;
      if (attempt === MAX_CREATE_ATTEMPTS || options.signal?.aborted === true) throw thrown;
    }
    await client.pause(attempt, options.signal);
  }
}
