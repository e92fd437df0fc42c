import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { parseEndpoint } from '../../../runpod/endpoint-url.ts';

describe('parseEndpoint', () => {
  it.each([
    ['abc123def', 'https://api.runpod.ai/v2/abc123def'],
    [' abc123def\n', 'https://api.runpod.ai/v2/abc123def'],
    ['https://api.runpod.ai/v2/abc', 'https://api.runpod.ai/v2/abc'],
    ['https://api.runpod.ai/v2/abc/', 'https://api.runpod.ai/v2/abc'],
    ['https://api.runpod.ai/v2/abc/run', 'https://api.runpod.ai/v2/abc'],
    ['https://api.runpod.ai/v2/abc/runsync/', 'https://api.runpod.ai/v2/abc'],
    ['https://api.runpod.ai/v2/run', 'https://api.runpod.ai/v2'],
    ['http://127.0.0.1:8123/v2/local', 'http://127.0.0.1:8123/v2/local'],
    ['http://localhost:8123/v2/local/run', 'http://localhost:8123/v2/local'],
  ])('reads %j', (text, url) => {
    expect(parseEndpoint(text)).toBe(url);
  });

  it.each([
    ['', 'neither'],
    ['two words', 'neither'],
    ['https://api.runpod.ai/', 'names no endpoint'],
    ['https://api.runpod.ai/run', 'names no endpoint'],
    ['https://user:secret@api.runpod.ai/v2/abc', 'user name'],
    ['https://api.runpod.ai/v2/abc?key=secret', 'query'],
    ['http://api.runpod.ai/v2/abc', 'in the clear'],
    ['http://127.0.0.1.example.com/v2/abc', 'in the clear'],
    ['ftp://api.runpod.ai/v2/abc', 'not https'],
    ['rpa_SECRETSECRET', 'looks like an API key'],
  ])('refuses %j without quoting it', (text, why) => {
    const thrown = catchError(() => parseEndpoint(text));
    expect(thrown.code).toBe('CONFIG_INVALID');
    expect(thrown.message).toContain(why);
    expect(`${thrown.message} ${thrown.fix}`).not.toMatch(/secret/i);
  });
});

function catchError(act: () => unknown): MillraceError {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof MillraceError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}
