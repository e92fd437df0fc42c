/** Requests signed by hand, where a test needs one that the SDK would not send. */
import { canonicalRequest, sha256Hex, signatureOf, signingKey, stringToSign } from '../../../../local/sigv4.ts';
import { CREDENTIALS, REGION } from './client.ts';

export interface SigningChoices {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly region?: string;
  readonly service?: string;
  readonly atMs?: number;
  readonly signedHeaders?: readonly string[];
}

export function signedHeaders(endpoint: string, target: string, body: string, choices: SigningChoices = {}) {
  const { accessKeyId, secretAccessKey } = { ...CREDENTIALS, ...choices };
  const { region = REGION, service = 'sqs', atMs = Date.now() } = choices;
  const amzDate = new Date(atMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const scope = { date: amzDate.slice(0, 8), region, service };
  const headers: Record<string, string> = {
    'content-type': 'application/x-amz-json-1.0',
    host: new URL(endpoint).host,
    'x-amz-date': amzDate,
    'x-amz-target': target,
  };
  const names = choices.signedHeaders ?? Object.keys(headers);
  const canonical = canonicalRequest({
    method: 'POST',
    path: '/',
    pathEncoding: 'encoded-again',
    query: [],
    header: (name) => [headers[name] ?? ''],
    signedHeaders: names,
    payloadHash: sha256Hex(body),
  });
  const signature = signatureOf(signingKey(secretAccessKey, scope), stringToSign(amzDate, scope, canonical));
  const credential = `${accessKeyId}/${scope.date}/${region}/${service}/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { ...headers, authorization };
}
