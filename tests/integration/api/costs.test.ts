/** What a job has cost, on a bucket in memory: how much is read for it, and what is remembered. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JobAnswer, JobView } from '../../../api/documents/job.ts';
import type { ApiParts } from '../../../api/parts.ts';
import { type ApiServer, startApi } from '../../../api/server.ts';
import { silentLogger } from '../../../log.ts';
import { DEFAULT_MAX_RESULTS } from '../../../pipeline/job-cost.ts';
import { type ApiClient, clientOf } from './client.ts';
import { readEvents } from './event-reader.ts';
import { partsInMemory } from './parts-in-memory.ts';

const TOKEN = 'the-token-of-the-costs';
const FINGERPRINT = 'ab'.repeat(16);

describe("a job's cost", () => {
  let parts: ApiParts;
  let server: ApiServer | undefined;
  let api: ApiClient;
  let resultsRead: number;

  beforeEach(() => {
    parts = partsInMemory();
    resultsRead = 0;
  });
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  async function start(prices: ApiParts['prices']): Promise<void> {
    const { store } = parts.planner;
    const get: typeof store.get = (key, ...rest) => {
      if (key.includes('/results/')) resultsRead += 1;
      return store.get(key, ...rest);
    };
    server = await startApi({
      ...{ ...parts, prices, planner: { ...parts.planner, store: { ...store, get } }, log: silentLogger },
      ...{ host: '127.0.0.1', port: 0, tokens: [TOKEN], requestsPerMinute: 0, maxStreams: 2, version: '1', pollMs: 10 },
    });
    api = clientOf({ url: server.url, token: TOKEN });
  }

  const putResult = (item: number) =>
    parts.planner.store.put(
      `pipelines/talk/results/segmentation/${item}/${FINGERPRINT}.1.failed.json`,
      JSON.stringify({ run_id: `run-${item}`, run_sec: 2 }),
    );

  async function putResults(count: number): Promise<void> {
    for (let item = 0; item < count; item += 1) await putResult(item);
  }

  const jobOf = async (query = '') => JobAnswer.parse((await api.ask('GET', `/api/jobs/talk${query}`)).json);

  it('is read with the job, stage by stage', async () => {
    await putResults(3);
    await start({ default: 0.5 });
    const figures = { gpu_sec: 6, usd: 3, attempts: 3, unmeasured: 0, output_minutes: 0, usd_per_output_minute: null };
    expect((await jobOf()).cost).toEqual({ ...figures, stages: [{ name: 'segmentation', ...figures }] });
  });

  it('is in seconds alone without a price', async () => {
    await putResults(1);
    await start({});
    expect((await jobOf()).cost).toMatchObject({ gpu_sec: 2, usd: null, usd_per_output_minute: null });
  });

  it('is not read where too many results would have to be, unless it is asked for; and is known from then on', async () => {
    await putResults(DEFAULT_MAX_RESULTS + 1);
    await start({ default: 0.5 });
    expect((await jobOf()).cost).toBeNull();
    expect(resultsRead).toBe(0);

    const whole = await jobOf('?cost=true&limit=0');
    expect(whole.cost).toMatchObject({ attempts: DEFAULT_MAX_RESULTS + 1, usd: DEFAULT_MAX_RESULTS + 1 });
    expect(resultsRead).toBe(DEFAULT_MAX_RESULTS + 1);

    await putResult(DEFAULT_MAX_RESULTS + 1);
    const later = await jobOf();
    expect(later.cost?.attempts).toBe(DEFAULT_MAX_RESULTS + 2);
    expect(resultsRead).toBe(DEFAULT_MAX_RESULTS + 2);
    expect(later.revision).not.toBe(whole.revision);
  });

  it('is left out where nobody wants it, and the revision is the same', async () => {
    await putResults(2);
    await start({ default: 0.5 });
    const without = await jobOf('?cost=false');
    expect([without.cost, resultsRead]).toEqual([null, 0]);
    expect((await jobOf()).revision).toBe(without.revision);
    expect(await api.ask('GET', '/api/jobs/talk?cost=much')).toMatchObject({ status: 400, json: { code: 'REQUEST_INVALID' } });
  });

  it('is in the events too, and comes with the next one', async () => {
    await putResults(1);
    await start({ default: 0.5 });
    const response = await fetch(`${api.url}/api/jobs/talk/events`, { headers: { authorization: `Bearer ${TOKEN}` } });
    const events = readEvents(response);
    expect(JobView.parse((await events.next())?.data).cost).toMatchObject({ attempts: 1, usd: 1 });
    await putResult(1);
    expect(JobView.parse((await events.next())?.data).cost).toMatchObject({ attempts: 2, usd: 2 });
    await events.close();
  });
});
