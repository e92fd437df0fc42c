import { expect, test } from 'vitest';
import { createTokens, SESSION_SECONDS } from '../../../api/tokens.ts';

const START_MS = Date.UTC(2026, 0, 1);

function session(tokens: readonly string[], token: string, nowMs = START_MS): string {
  return createTokens(tokens, () => nowMs).openSession(token)?.cookie ?? '';
}

test('a session is known to every process with the same token, until its time is over', () => {
  const cookie = session(['a-token', 'another'], 'another');
  const readAt = (nowMs: number) => createTokens(['another'], () => nowMs).readSession(cookie);
  expect(readAt(START_MS)).toMatchObject({ expiresAtMs: START_MS + SESSION_SECONDS * 1000 });
  expect(readAt(START_MS + SESSION_SECONDS * 1000)).toBeNull();
});

test('a session ends with its token', () => {
  expect(createTokens(['a-token'], () => START_MS).readSession(session(['another'], 'another'))).toBeNull();
});

test('no character of a session can be changed', () => {
  const cookie = session(['a-token'], 'a-token');
  const tokens = createTokens(['a-token'], () => START_MS);
  expect(tokens.readSession(cookie)).not.toBeNull();
  for (let at = 0; at < cookie.length - 1; at += 1) {
    const other = cookie[at] === '1' ? '2' : '1';
    expect(tokens.readSession(cookie.slice(0, at) + other + cookie.slice(at + 1)), `character ${at}`).toBeNull();
  }
});

test('without tokens there is no session, and nobody is known', () => {
  const tokens = createTokens([], () => START_MS);
  expect([tokens.isOpen, tokens.idOf(''), tokens.openSession('')]).toEqual([true, null, null]);
});
