import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asMillraceError, ERROR_CODES, isErrorCode, MillraceError, withoutSecrets } from '../../errors.ts';

describe('MillraceError', () => {
  it('takes from the table whether trying again can help, unless it is told', () => {
    expect(new MillraceError('STORE_UNREACHABLE', 'away').retryable).toBe(true);
    expect(new MillraceError('TASK_UNKNOWN', 'no').retryable).toBe(false);
    expect(new MillraceError('TASK_UNKNOWN', 'no', { retryable: true }).retryable).toBe(true);
  });

  it('keeps its cause, its context and what to do', () => {
    const cause = new Error('socket hang up');
    const error = new MillraceError('STORE_ERROR', 'refused', { cause, context: { key: 'a' }, fix: 'Do this.' });
    expect(error).toMatchObject({ name: 'MillraceError', cause, context: { key: 'a' }, fix: 'Do this.' });
    expect(new MillraceError('STORE_ERROR', 'refused')).not.toHaveProperty('cause');
  });
});

describe('isErrorCode', () => {
  it('knows the codes of the table and no names that every object has', () => {
    for (const code of Object.keys(ERROR_CODES)) expect(isErrorCode(code)).toBe(true);
    for (const name of ['toString', 'constructor', '__proto__', 'usage', '']) expect(isErrorCode(name)).toBe(false);
  });
});

describe('asMillraceError', () => {
  it('leaves its own as they are', () => {
    const error = new MillraceError('USAGE', 'no');
    expect(asMillraceError(error, 'STORE_ERROR')).toBe(error);
  });

  it.each([
    {
      thrown: new TypeError('fetch failed: https://b.example/k?X-Amz-Signature=abc'),
      message: 'fetch failed: https://b.example/k?…',
    },
    { thrown: 'a text', message: 'a text' },
    { thrown: 7, message: '7' },
  ])('makes $thrown one of the given code, without secrets', ({ thrown, message }) => {
    expect(asMillraceError(thrown, 'STORE_ERROR')).toMatchObject({ code: 'STORE_ERROR', message, cause: thrown });
    expect(asMillraceError(thrown).code).toBe('INTERNAL');
  });
});

describe('withoutSecrets', () => {
  it.each([
    ['GET https://b.example/k?X-Amz-Signature=abc failed', 'GET https://b.example/k?… failed'],
    ['"http://127.0.0.1:9/k?a=1&b=2" and s3://b/k?versionId=3', '"http://127.0.0.1:9/k?…" and s3://b/k?…'],
    ['HTTPS://B.EXAMPLE/K?SIG=ABC', 'HTTPS://B.EXAMPLE/K?…'],
    ['https://user:password@b.example/k', 'https://…@b.example/k'],
    ['https://user:password@b.example/k?sig=1', 'https://…@b.example/k?…'],
    ['why? because https://b.example/k is gone', 'why? because https://b.example/k is gone'],
    ['somebody@example.com', 'somebody@example.com'],
  ])('%s', (text, expected) => {
    expect(withoutSecrets(text)).toBe(expected);
  });

  it('lets no query through, whatever stands around it, and changes nothing when it is applied again', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9%_.~&=+-]{12,60}$/);
    fc.assert(
      fc.property(
        fc.string(),
        secret,
        fc.string(),
        fc.constantFrom('https', 'http', 's3', 'gs'),
        (before, query, after, scheme) => {
          const shown = withoutSecrets(`${before} ${scheme}://bucket.example/some/key?${query} ${after}`);
          expect(shown).not.toContain(`key?${query}`);
          expect(withoutSecrets(shown)).toBe(shown);
        },
      ),
    );
  });
});
