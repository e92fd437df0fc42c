/** The one account of the local Google API: its key file is what GOOGLE_APPLICATION_CREDENTIALS names, its public key checks all. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, verify } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { MillraceError } from '../../../errors.ts';
import { GoogleError } from './google-error.ts';

export interface ServiceAccount {
  readonly email: string;
  readonly publicKey: KeyObject;
}

const PROJECT = 'millrace-local';
const EMAIL = `millrace@${PROJECT}.iam.gserviceaccount.com`;
const KEY_BITS = 2048;

const KeyFile = z.object({ client_email: z.string(), private_key: z.string() });

/** Makes the key file where it is not there; only its owner may read it. Throws CONFIG_INVALID where it is no key file. */
export function openServiceAccount(file: string): ServiceAccount {
  if (!existsSync(file)) makeKeyFile(file);
  try {
    const { client_email: email, private_key: key } = KeyFile.parse(JSON.parse(readFileSync(file, 'utf8')));
    return { email, publicKey: createPublicKey(createPrivateKey(key)) };
  } catch {
    throw new MillraceError('CONFIG_INVALID', "The key file of the local bucket's service account cannot be used.", {
      context: { file },
      fix: 'Delete it: another one is made at the next start.',
    });
  }
}

function makeKeyFile(file: string): void {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: KEY_BITS });
  const content = {
    type: 'service_account',
    project_id: PROJECT,
    private_key_id: randomBytes(20).toString('hex'),
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: EMAIL,
    client_id: '100000000000000000000',
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
}

const Header = z.object({ alg: z.literal('RS256') });
const Claims = z.object({ iss: z.string(), iat: z.number(), exp: z.number(), scope: z.string() });

/** The scopes that let a token read and write objects. */
const SCOPES = [
  'https://www.googleapis.com/auth/cloud-platform',
  'https://www.googleapis.com/auth/devstorage.full_control',
  'https://www.googleapis.com/auth/devstorage.read_write',
];
const MAX_CLOCK_SKEW_SECONDS = 300;
const MAX_TOKEN_SECONDS = 3600;

/** A token that the account's holder signed itself, as service accounts may. Throws AuthenticationRequired for any other. */
export function checkToken(token: string, { email, publicKey }: ServiceAccount, nowMs: number): void {
  const [head = '', body = '', signature = '', ...more] = token.split('.');
  const signed = verify('RSA-SHA256', Buffer.from(`${head}.${body}`), publicKey, Buffer.from(signature, 'base64url'));
  if (!signed || more.length > 0) throw new GoogleError('AuthenticationRequired', 'Invalid Credentials');
  const header = Header.safeParse(decoded(head));
  const claims = Claims.safeParse(decoded(body));
  if (!header.success || !claims.success) throw new GoogleError('AuthenticationRequired', 'Invalid Credentials');
  const { iss, iat, exp, scope } = claims.data;
  const nowSeconds = nowMs / 1000;
  const isTimely =
    exp > nowSeconds - MAX_CLOCK_SKEW_SECONDS && iat < nowSeconds + MAX_CLOCK_SKEW_SECONDS && exp - iat <= MAX_TOKEN_SECONDS;
  const isWide = scope.split(' ').some((name) => SCOPES.includes(name));
  if (iss !== email || !isTimely || !isWide) throw new GoogleError('AuthenticationRequired', 'Invalid Credentials');
}

function decoded(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
