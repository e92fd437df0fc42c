import { createHmac, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { checkToken, openServiceAccount } from '../../../../../local/bucket/google/service-account.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-account-'));
const file = join(folder, 'keys', 'service-account.json');
const account = openServiceAccount(file);
const key = createPrivateKey(JSON.parse(readFileSync(file, 'utf8')).private_key);
const NOW_MS = 1_764_100_000_000;
const NOW_SECONDS = NOW_MS / 1000;
const CLAIMS = {
  iss: account.email,
  iat: NOW_SECONDS,
  exp: NOW_SECONDS + 3600,
  scope: 'https://www.googleapis.com/auth/devstorage.full_control',
};

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const token = (claims: object, { by = key, alg = 'RS256' }: { by?: KeyObject; alg?: string } = {}) => {
  const signed = `${encoded({ alg, typ: 'JWT' })}.${encoded(claims)}`;
  return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), by).toString('base64url')}`;
};

afterAll(() => rmSync(folder, { recursive: true }));

describe('openServiceAccount', () => {
  test('makes a key file that only its owner may read, and takes the same one again', () => {
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = openServiceAccount(file);
    expect(again.email).toBe(account.email);
    expect(() => checkToken(token(CLAIMS), again, NOW_MS)).not.toThrow();
  });

  test('a file that is no key is not overwritten, and its content is not shown', () => {
    const other = join(folder, 'other.json');
    writeFileSync(other, '{"client_email": "a@b", "private_key": "what somebody wrote"}');
    expect(() => openServiceAccount(other)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.not.stringContaining('somebody') }),
    );
    expect(readFileSync(other, 'utf8')).toContain('somebody');
  });
});

describe('checkToken', () => {
  test('takes what the account signed', () => {
    expect(() => checkToken(token(CLAIMS), account, NOW_MS)).not.toThrow();
  });

  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const unsigned = `${encoded({ alg: 'none' })}.${encoded(CLAIMS)}.`;
  const symmetric = `${encoded({ alg: 'HS256' })}.${encoded(CLAIMS)}`;
  const publicPem = String(account.publicKey.export({ type: 'spki', format: 'pem' }));
  test.each([
    { what: 'signed by another key', text: token(CLAIMS, { by: stranger }) },
    { what: 'not signed', text: unsigned },
    {
      what: 'signed with the public key',
      text: `${symmetric}.${createHmac('sha256', publicPem).update(symmetric).digest('base64url')}`,
    },
    { what: 'that names another algorithm', text: token(CLAIMS, { alg: 'HS256' }) },
    { what: 'changed afterwards', text: token(CLAIMS).replace(/\.(.)/, (_, first) => `.${first === 'a' ? 'b' : 'a'}`) },
    { what: 'of another account', text: token({ ...CLAIMS, iss: 'other@x' }) },
    { what: 'that has run out', text: token({ ...CLAIMS, iat: NOW_SECONDS - 7200, exp: NOW_SECONDS - 3600 }) },
    { what: 'from the future', text: token({ ...CLAIMS, iat: NOW_SECONDS + 3600, exp: NOW_SECONDS + 7200 }) },
    { what: 'good for days', text: token({ ...CLAIMS, exp: NOW_SECONDS + 86_400 }) },
    { what: 'for another service', text: token({ ...CLAIMS, scope: 'https://www.googleapis.com/auth/pubsub' }) },
    { what: 'without a scope', text: token({ ...CLAIMS, scope: undefined }) },
    { what: 'that is none', text: 'ya29.opaque' },
  ])('refuses a token $what', ({ text }) => {
    expect(() => checkToken(text, account, NOW_MS)).toThrow(expect.objectContaining({ code: 'AuthenticationRequired' }));
  });
});
