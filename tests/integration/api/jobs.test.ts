import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoryView } from '../../../api/documents/item-story.ts';
import { JobAnswer, JobView } from '../../../api/documents/job.ts';
import { JobList } from '../../../api/documents/jobs.ts';
import { Result } from '../../../manifests/result.ts';
import { jobState } from '../../../pipeline/job-state.ts';
import { makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { eventually, startTestStack, type TestStack } from '../loop/stack.ts';
import { type Answer, type ApiClient, clientOf } from './client.ts';
import { readEvents } from './event-reader.ts';

const [TOOLS] = ALL_TOOLS;
const SEGMENTS_KEY = 'stage/segmentation/segments.json';
/** Dollars a second. */
const PRICE = 0.5;
const OUTPUT = 'stage/segmentation/audio_segments/segment_0.wav';
/** The last one ends after its master does. */
const SEGMENTS = JSON.stringify([
  { start_sec: 0, duration_sec: 1 },
  { start_sec: 1, duration_sec: 1 },
  { start_sec: 1, duration_sec: 9 },
]);

describe.skipIf(TOOLS === undefined)('jobs over HTTP', () => {
  let stack: TestStack;
  let api: ApiClient;
  let master: Buffer;

  beforeAll(async () => {
    if (TOOLS === undefined) throw new Error('no ffmpeg');
    const folder = await mkdtemp(join(tmpdir(), 'millrace-api-'));
    master = await readFile(await makeAudio(TOOLS.ffmpeg, folder, { name: 'talk.wav', seconds: 2 }));
    await rm(folder, { recursive: true });
    stack = await startTestStack({ workers: 1, env: { MILLRACE_GPU_PRICE_PER_SECOND: String(PRICE) } });
    api = clientOf(stack.stack.description.api);
    await submit('talk-1');
    await stack.until('talk-1', (plan) => jobState(plan) === 'failed');
  });
  afterAll(() => stack?.stop());

  async function submit(job: string): Promise<void> {
    await stack.put(job, 'inputs/audio/master.wav', master);
    await stack.put(job, SEGMENTS_KEY, SEGMENTS);
  }

  const get = async (path: string) => (await api.ask('GET', path)).json;

  it('lists them a page at a time', async () => {
    await stack.put('talk-0', 'notes.txt', 'x');
    await stack.put('talk-2', 'notes.txt', 'x');
    const first = JobList.parse(await get('/api/jobs?limit=2'));
    expect(first.jobs.map(({ job_id, state }) => [job_id, state])).toEqual([
      ['talk-0', 'empty'],
      ['talk-1', 'failed'],
    ]);
    expect(first.jobs[1]).toMatchObject({ counts: { total: 3, done: 2, failed: 1 }, problems: 0 });
    const second = JobList.parse(await get(first.next ?? ''));
    expect(second.jobs.map(({ job_id }) => job_id)).toEqual(['talk-2']);
    expect(second.next).toBeNull();
  });

  it('shows one with its stages, its items by page and phase, and what to do about what failed', async () => {
    const job = JobAnswer.parse(await get('/api/jobs/talk-1?limit=2'));
    expect(job).toMatchObject({ state: 'failed', ended: true, counts: { total: 3, done: 2, failed: 1 } });
    expect(job.stages.find(({ name }) => name === 'segmentation')).toMatchObject({
      maker: 'AUDIO_TRIM',
      after: ['staging'],
      counts: { failed: 1 },
    });
    expect(job.items.map(({ item, phase }) => [item, phase])).toEqual([
      ['0', 'done'],
      ['1', 'done'],
    ]);
    expect(job.items[0]?.output).toMatchObject({ key: OUTPUT, href: `/api/jobs/talk-1/files/${OUTPUT}` });
    const rest = JobAnswer.parse(await get(job.next ?? ''));
    expect(rest.items.map(({ item }) => item)).toEqual(['2']);
    expect(rest.next).toBeNull();

    const failed = JobAnswer.parse(await get('/api/jobs/talk-1?phase=failed&stage=segmentation'));
    expect(failed.items).toEqual(failed.attention);
    expect(failed.items).toMatchObject([
      {
        item: '2',
        error: { code: 'INPUT_TOO_SHORT' },
        attempts: [{ attempt: 1, status: 'failed', outdated: false }],
        advice: expect.stringContaining('millrace retry talk-1 --stage segmentation --item 2'),
      },
    ]);
    const story = StoryView.parse(await get(failed.items[0]?.links.self ?? ''));
    expect(story.story.filter(({ attempt }) => attempt > 0).map(({ what }) => what.split(' ')[0])).toEqual([
      'claimed',
      'RunPod',
      'failed',
    ]);
    expect(story.mark).toBe('none');
  });

  it('shows what it has cost, as its results say', async () => {
    const { cost } = JobAnswer.parse(await get('/api/jobs/talk-1?limit=0'));
    const keys = (await stack.keys('talk-1')).filter((key) => key.startsWith('results/'));
    const results = await Promise.all(keys.map(async (key) => Result.parse(JSON.parse(String(await stack.read('talk-1', key))))));
    const seconds = results.reduce((sum, { run_sec = 0 }) => sum + run_sec, 0);
    expect(seconds).toBeGreaterThan(0);
    expect(cost).toMatchObject({ attempts: 3, unmeasured: 0, output_minutes: Number((2 / 60).toFixed(4)) });
    expect(cost?.gpu_sec).toBeCloseTo(seconds, 2);
    expect(cost?.usd).toBeCloseTo(seconds * PRICE, 2);
    expect(cost?.usd_per_output_minute).toBeCloseTo((seconds * PRICE) / (2 / 60), 2);
  });

  it.each([
    ['/api/jobs/nobody', 404],
    ['/api/jobs/talk-1/items/segmentation/9', 404],
    ['/api/jobs/talk-1/items/nothing/0', 404],
    ['/api/jobs/nobody/events', 404],
    ['/api/jobs/talk-1?stage=nothing', 400],
    ['/api/jobs/talk-1?after=nothing/3', 400],
    ['/api/jobs/-talk', 400],
  ])('says of %s what is wrong with it', async (path, status) => {
    expect(await api.ask('GET', path)).toMatchObject({ status, json: { status, detail: expect.stringMatching(/./) } });
  });

  it('sends a job whenever it changes, until it has ended', async () => {
    await submit('live');
    const response = await fetch(`${api.url}/api/jobs/live/events`, { headers: { authorization: `Bearer ${api.token}` } });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const events = readEvents(response);
    const seen: { readonly event: string; readonly view: JobView }[] = [];
    for (let event = await events.next(); event !== undefined; event = await events.next()) {
      const view = JobView.parse(event.data);
      expect(event.id).toBe(view.revision);
      seen.push({ event: event.event, view });
    }
    const revisions = seen.filter(({ event }) => event === 'job').map(({ view }) => view.revision);
    expect(new Set(revisions).size).toBe(revisions.length);
    expect(seen.at(-1)).toMatchObject({ event: 'end', view: { ended: true, counts: { done: 2, failed: 1 } } });
    expect(seen.slice(0, -1).every(({ event }) => event === 'job')).toBe(true);
  });

  it('tries again what failed, stops, and goes on', async () => {
    const retry = (body: object) => api.ask('POST', '/api/jobs/talk-1/retry', { body });
    expect(await retry({ items: [9] })).toMatchObject({ status: 409, json: { code: 'CONFLICT' } });
    expect(await retry({ stage: 'segmentation', items: [0] })).toMatchObject({ status: 202, json: { retried: 0 } });
    expect(await retry({ stage: 'segmentation', items: [2] })).toMatchObject({
      status: 202,
      json: { retried: 1, items: [{ stage: 'segmentation', item: '2', after_attempt: 1 }], reconciled: true },
    });
    await stack.until('talk-1', ({ stages }) =>
      stages.some(({ items }) => items.some(({ phase, attempt }) => phase === 'failed' && attempt === 2)),
    );

    const cancel = (body: object) => api.ask('POST', '/api/jobs/talk-1/cancel', { body });
    expect(await cancel({ reason: 'Wrong master.' })).toMatchObject({ status: 202, json: { was_cancelled: false } });
    expect(await cancel({ reason: 'Late.' })).toMatchObject({ status: 202, json: { was_cancelled: true } });
    expect(JSON.parse((await stack.read('talk-1', 'cancel.json')).toString())).toEqual({ reason: 'Wrong master.' });
    expect(await get('/api/jobs/talk-1')).toMatchObject({ state: 'cancelled', cancelled: true });
    expect(await retry({})).toMatchObject({ status: 409, json: { fix: expect.stringContaining('resume') } });
    expect(await api.ask('POST', '/api/jobs/talk-1/resume')).toMatchObject({ status: 202, json: { was_cancelled: true } });
    expect(await get('/api/jobs/talk-1')).toMatchObject({ state: 'failed', cancelled: false });
  });

  describe('files', () => {
    const path = (key: string) => `/api/jobs/files/files/${key}`;
    beforeAll(async () => {
      for (const key of ['a b.wav', 'page.html', 'picture.svg', 'notes.json', 'bare', 'empty.txt']) {
        await stack.put('files', key, key === 'empty.txt' ? '' : '0123456789');
      }
    });

    it.each([
      [undefined, 200, '0123456789', null],
      ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
      ['bytes=7-', 206, '789', 'bytes 7-9/10'],
      ['bytes=-2', 206, '89', 'bytes 8-9/10'],
      ['bytes=2-400', 206, '23456789', 'bytes 2-9/10'],
      ['bytes=0-1,3-4', 200, '0123456789', null],
      ['lines=1-2', 200, '0123456789', null],
    ])('are sent as Range asks: %s', async (range, status, text, contentRange) => {
      const answer = await api.ask('GET', path('a%20b.wav'), { headers: range === undefined ? {} : { range } });
      expect(answer).toMatchObject({ status, text });
      expect(answer.headers.get('content-range')).toBe(contentRange);
      expect(answer.headers.get('content-length')).toBe(String(text.length));
      expect(answer.headers.get('content-type')).toBe('audio/wav');
    });

    it('are known by their ETag', async () => {
      const { headers } = await api.ask('GET', path('bare'));
      const etag = headers.get('etag') ?? '';
      expect(await api.ask('GET', path('bare'), { headers: { 'if-none-match': etag } })).toMatchObject({ status: 304, text: '' });
      const part = { range: 'bytes=0-1', 'if-range': '"another"' };
      expect(await api.ask('GET', path('bare'), { headers: part })).toMatchObject({ status: 200 });
      expect(await api.ask('HEAD', path('bare'))).toMatchObject({ status: 200, text: '' });
      expect(await api.ask('GET', path('empty.txt'))).toMatchObject({ status: 200, text: '' });
      expect(await api.ask('GET', path('bare'), { headers: { range: 'bytes=10-' } })).toMatchObject({
        status: 416,
        json: { code: 'RANGE_UNSATISFIABLE' },
      });
    });

    it.each([
      ['page.html', 'application/octet-stream', 'attachment'],
      ['picture.svg', 'application/octet-stream', 'attachment'],
      ['bare', 'application/octet-stream', 'attachment'],
      ['notes.json', 'text/plain; charset=utf-8', 'inline'],
      ['a%20b.wav', 'audio/wav', 'inline'],
      ['a%20b.wav?download=true', 'audio/wav', 'attachment'],
    ])('%s comes as %s, %s, and a browser guesses nothing', async (key, type, disposition) => {
      const { headers } = await api.ask('GET', path(key));
      expect(headers.get('content-type')).toBe(type);
      expect(headers.get('content-disposition')).toMatch(new RegExp(`^${disposition}; filename\\*=UTF-8''`));
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain('sandbox');
    });

    it.each(['..%2ftalk-1%2finputs%2faudio%2fmaster.wav', '%2e%2e%2fx', 'a%2f%2fb', '%00', 'a%5c..%5cb', 'x%2f..%2f..%2fy'])(
      'never leave the job: %s',
      async (key) => {
        expect((await api.ask('GET', path(key))).status).toBe(400);
      },
    );
  });

  it('deletes a job with all its state, runs first, and says so as often as it is asked', async () => {
    await stack.put('going', 'inputs/audio/master.wav', master);
    await stack.put('going', SEGMENTS_KEY, JSON.stringify(Array.from({ length: 12 }, () => ({ start_sec: 0, duration_sec: 1 }))));
    const begun = new Set(['running', 'done']);
    await stack.until('going', ({ stages }) => stages.some(({ items }) => items.some(({ phase }) => begun.has(phase))));

    let answer: Answer | undefined;
    await eventually('its runs have stopped', async () => {
      answer = await api.ask('DELETE', '/api/jobs/going');
      return answer.status !== 202;
    });
    expect(answer).toMatchObject({ status: 200, json: { job_id: 'going', running: 0, finished: true } });
    // A worker that was in the middle of an item may write once more.
    await eventually('nothing is left', async () => {
      await api.ask('DELETE', '/api/jobs/going');
      const state = await stack.objects('pipelines-state/');
      return (await stack.keys('going')).length === 0 && !state.some((line) => line.includes('/going/'));
    });
    expect(await api.ask('DELETE', '/api/jobs/going')).toMatchObject({
      status: 200,
      json: { deleted_objects: 0, finished: true },
    });
    expect((await api.ask('GET', '/api/jobs/going')).status).toBe(404);
  });
});
