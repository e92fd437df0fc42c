/** Answers of servers, which may be anything: an HTML page of a gateway, half a document, nothing. */

/** `undefined` for what is not JSON. */
export function parseJsonText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
