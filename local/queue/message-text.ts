/** Which characters a message may hold, and how many bytes it counts. */
import { SqsFault } from './faults.ts';

/** Everything but #x9 | #xA | #xD | #x20-#xD7FF | #xE000-#xFFFD | #x10000-#x10FFFF; lone surrogates are what `u` leaves of #xD800-#xDFFF. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/u;

/** Throws InvalidMessageContents. `where` is `message body` or an attribute's name. */
export function checkCharacters(text: string, where: string): void {
  const found = FORBIDDEN.exec(text)?.[0];
  if (found === undefined) return;
  const code = `#x${(found.codePointAt(0) ?? 0).toString(16).toUpperCase()}`;
  throw new SqsFault(
    'InvalidMessageContents',
    `Invalid binary character '${code}' was found in the ${where}, the set of allowed characters is ` +
      '#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF',
  );
}

export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}
