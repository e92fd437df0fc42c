/**
 * The body of a pulled Cloudflare message, as it was sent. JSON is documented to come base64-encoded and has been seen plain, so the
 * text itself decides: no JSON object is base64.
 */

/** Four characters at a time, padded at the end only. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** `contentType` is the message's `CF-Content-Type`; `text` is never encoded. Base64 of anything but UTF-8 comes back as it is. */
export function decodeBody(body: string, contentType: string | undefined): string {
  if (contentType === 'text' || body === '' || body.startsWith('{') || !BASE64.test(body)) return body;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(body, 'base64'));
  } catch {
    return body;
  }
}
