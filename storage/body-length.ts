/** Bodies that are held to a length. */
import { type Readable, Transform } from 'node:stream';
import { MillraceError } from '../errors.ts';

/**
 * `source`'s bytes, failing with SOURCE_UNREACHABLE where they end too early and with SOURCE_CHANGED where there are too many: a
 * request whose body is not what its Content-Length said would hang, or store a part as the whole.
 */
export function exactLength(source: Readable, lengthBytes: number): Readable {
  let seenBytes = 0;
  const exact = new Transform({
    transform(chunk: Uint8Array | string, encoding, done) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      seenBytes += bytes.byteLength;
      if (seenBytes <= lengthBytes) return done(null, bytes);
      const message = `a body of ${lengthBytes} bytes turned out longer`;
      return done(new MillraceError('SOURCE_CHANGED', message, { context: { lengthBytes } }));
    },
    flush(done) {
      if (seenBytes === lengthBytes) return done();
      const message = `a body of ${lengthBytes} bytes ended after ${seenBytes}`;
      return done(new MillraceError('SOURCE_UNREACHABLE', message, { context: { lengthBytes, seenBytes } }));
    },
  });
  return compose(source, exact);
}

/** `source`'s bytes, failing with TOO_LARGE where there are more than `maxBytes`. */
export function atMost(source: Readable, maxBytes: number): Readable {
  let seenBytes = 0;
  return compose(
    source,
    new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        seenBytes += chunk.byteLength;
        if (seenBytes <= maxBytes) return done(null, chunk);
        return done(
          new MillraceError('TOO_LARGE', `a body is longer than the ${maxBytes} bytes allowed`, { context: { maxBytes } }),
        );
      },
    }),
  );
}

/** Like `pipe`, and an end of either side that is not the good one reaches the other. */
function compose(source: Readable, through: Transform): Readable {
  if (source.destroyed) through.destroy(new MillraceError('SOURCE_UNREACHABLE', 'a body was closed before it was used'));
  source.once('error', (error) => through.destroy(error));
  source.once('close', () => {
    if (!source.readableEnded) through.destroy(new MillraceError('SOURCE_UNREACHABLE', 'a body was closed before its end'));
  });
  through.once('close', () => source.destroy());
  return source.pipe(through);
}
