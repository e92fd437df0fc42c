/** The JSON in the text of a message: plain, or base64-encoded as Cloudflare Queues and Pub/Sub deliver it, or quoted once more. */

export type MessageJson = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly why: string };

/** Never throws. */
export function readMessageJson(text: string): MessageJson {
  const outer = fromText(text);
  // A queue that stores JSON hands out a text that was put into it as a JSON string.
  const found = outer?.value;
  const json = typeof found === 'string' ? fromText(found) : outer;
  if (json !== undefined) return { ok: true, value: json.value };
  // The parser's own words quote the text.
  return { ok: false, why: text === '' ? 'it is empty' : `it has ${text.length} characters` };
}

/** Wrapped, because `null` is JSON too. */
type Found = { readonly value: unknown } | undefined;

function fromText(text: string): Found {
  const plain = fromJson(text);
  if (plain !== undefined) return plain;
  const decoded = decodeBase64(text);
  return decoded === undefined ? undefined : fromJson(decoded);
}

function fromJson(text: string): Found {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/** The UTF-8 text in `text`, where it is base64 in either alphabet, in lines or not. */
function decodeBase64(text: string): string | undefined {
  const packed = text.replace(/\s+/g, '');
  if (!BASE64.test(packed)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(packed, 'base64'));
  } catch {
    return undefined;
  }
}
