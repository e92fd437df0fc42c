/** Whether what a worker is given lets it work: URLs that live as long as a run may, and that do what they promise. */
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { asMillraceError } from '../../errors.ts';
import { putPresigned } from '../../handlers/outputs/presigned-put.ts';
import { MARK } from '../../pipeline/facts.ts';
import { classifyAddress } from '../../storage/addresses.ts';
import { createGuardedFetch } from '../../storage/guarded-fetch.ts';
import type { Check } from './check.ts';
import { duration, type Examination, runsHere } from './examination.ts';
import { type Finding, ok, skipped, wrong } from './finding.ts';

/** The longest session that AWS gives (GetSessionToken); a role's is at most twelve hours. */
const LONGEST_SESSION_SECONDS = 36 * 3600;
const ROUND_TRIP_SECONDS = 300;
const MAX_BODY_BYTES = 64 * 1024;
const ONCE = { attempts: 1, firstDelayMs: 0, maxDelayMs: 0 };
/** Inside their own clouds these names may lead to a private door; outside they are public. */
const PUBLIC_STORES = /\.(amazonaws\.com(\.cn)?|r2\.cloudflarestorage\.com|googleapis\.com)$/;

export const presigningSession: Check = {
  name: 'presigning-session',
  needs: [],
  fix: 'Set MILLRACE_MAX_TTL_SECONDS to what the session of the keys has left, or use keys without a session.',
  async run({ config, store, layout }) {
    const { MILLRACE_MAX_TTL_SECONDS: seconds } = config;
    const needed = `${duration(seconds)} (MILLRACE_MAX_TTL_SECONDS)`;
    try {
      await store.presignGet(`${layout.proofPrefix}doctor`, { expiresInSeconds: seconds });
    } catch (thrown) {
      const { message, fix, context } = asMillraceError(thrown);
      const left = typeof context.leftSeconds === 'number' ? context.leftSeconds : undefined;
      // The rest of a session is shorter tomorrow: leave something of it.
      const shorter = left === undefined ? undefined : Math.floor((left * 9) / 10);
      const change =
        shorter === undefined || shorter < 60
          ? fix
          : `Set MILLRACE_MAX_TTL_SECONDS to ${shorter} at most, or use keys without a session.`;
      return [wrong(`URLs cannot be signed for ${needed}: ${message}`, change ?? presigningSession.fix)];
    }
    return [sessionOfToken(config, store.scheme, seconds) ?? ok(`URLs can be signed for ${needed}`)];
  },
};

/** A token in the environment does not say when it ends, and nobody here can find out. */
function sessionOfToken(config: Examination['config'], scheme: 's3' | 'gs', seconds: number): Finding | undefined {
  if (scheme === 'gs' || config.HMAC_KEY !== undefined || config.AWS_SESSION_TOKEN === undefined) return undefined;
  if (seconds > LONGEST_SESSION_SECONDS) {
    const found = `AWS_SESSION_TOKEN is set: its session ends after ${duration(LONGEST_SESSION_SECONDS)} at the latest, and every URL with it, but runs may wait and work for ${duration(seconds)}`;
    return wrong(found, 'Use keys without a session, or set MILLRACE_MAX_TTL_SECONDS below what the session has left.');
  }
  return skipped(`AWS_SESSION_TOKEN is set, and does not say when it ends: URLs end with it, whatever they say`);
}

export const presignedRoundTrip: Check = {
  name: 'presigned-round-trip',
  needs: ['bucket'],
  fix: 'Check that the bucket takes signed URLs from the network that the workers are in, without a proxy that changes headers.',
  async run(examination, signal) {
    const { config, store, layout, random } = examination;
    const key = `${layout.proofPrefix}doctor-${random()}`;
    const mark = 'millrace-doctor';
    const body = Buffer.from(`written through a URL: ${key}`);
    try {
      const put = await store.presignPut(key, { expiresInSeconds: ROUND_TRIP_SECONDS, metadata: { [MARK]: mark } });
      const outside = await unreachableFromOutside(examination, put.url);
      if (outside !== undefined) return [outside];
      // As a worker does it, but for the rule that addresses must be public: this machine may well lie beside its bucket.
      const guarded = createGuardedFetch({
        allowHosts: [...config.HTTP_ALLOW_HOSTS, new URL(put.url).host],
        maxBodyBytes: MAX_BODY_BYTES,
      });
      try {
        const upload = { sizeBytes: body.length, contentType: 'text/plain', open: () => Readable.from([body]) };
        await putPresigned(put.url, put.headers, upload, { fetch: guarded, signal, retry: ONCE });
        const head = await store.head(key, signal);
        if (head?.metadata[MARK] !== mark) {
          const found =
            'the bucket took a presigned PUT and did not keep the header that was signed with it: outputs would have no mark';
          return [wrong(found, presignedRoundTrip.fix)];
        }
        const url = await store.presignGet(key, { expiresInSeconds: ROUND_TRIP_SECONDS });
        const answer = await guarded.request(url, { signal });
        const read = await text(answer.body);
        if (answer.status !== 200)
          return [wrong(`a presigned GET was answered with status ${answer.status}`, presignedRoundTrip.fix)];
        if (read !== body.toString())
          return [wrong('a presigned GET brought other bytes than were written', presignedRoundTrip.fix)];
        return [ok('a file went into the bucket and back through presigned URLs, byte for byte, with its mark')];
      } finally {
        guarded.close();
      }
    } finally {
      await store.delete(key).catch(() => undefined);
    }
  },
};

/** A worker at RunPod reaches no address of this machine or its network. */
async function unreachableFromOutside(examination: Examination, url: string): Promise<Finding | undefined> {
  if (runsHere(examination) || examination.config.RUNPOD_ENDPOINT === undefined) return undefined;
  const { host, hostname } = new URL(url);
  const { HTTP_ALLOW_HOSTS: allowed } = examination.config;
  if (PUBLIC_STORES.test(hostname) || allowed.includes(host) || allowed.includes(hostname)) return undefined;
  const { resolveHost } = await import('../../storage/fetch-target.ts');
  const addresses = await resolveHost(hostname.replace(/^\[(.*)\]$/, '$1')).catch(() => []);
  const kinds = new Set(addresses.map(({ address }) => classifyAddress(address)));
  if (kinds.size === 0 || kinds.has('public')) return undefined;
  const found = `the bucket's address ${host} is ${[...kinds].join(', ')}: workers at RunPod cannot reach it, and refuse to`;
  return wrong(
    found,
    'Give S3_ENDPOINT_URL an address that the internet reaches; or, where workers do reach it, name it in HTTP_ALLOW_HOSTS here and there.',
  );
}
