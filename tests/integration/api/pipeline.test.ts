/** The two routes that programs written for the original template know, from the examples that are documented. */

import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SegmentAnswer, SegmentRequest } from '../../../api/documents/segment-request.ts';
import { SegmentStatus } from '../../../api/documents/segment-status.ts';
import type { ApiServer } from '../../../api/server.ts';
import { startApiProcess } from '../../../cli/api-process.ts';
import { readConfig } from '../../../config.ts';
import { silentLogger } from '../../../log.ts';
import { makeAudio } from '../../media/generate.ts';
import { type Origin, startOrigin } from '../../media/origin.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { eventually, startTestStack, type TestStack } from '../loop/stack.ts';
import { type ApiClient, clientOf } from './client.ts';

const [TOOLS] = ALL_TOOLS;
const SEGMENTS = [
  { start_sec: 0, duration_sec: 1 },
  { start_sec: 1, duration_sec: 0.5, target_sec: 0.75 },
];
const SEGMENTS_KEY = 'stage/segmentation/segments.json';

describe.skipIf(TOOLS === undefined)('the segment and status routes', () => {
  let stack: TestStack;
  let api: ApiClient;
  let origin: Origin;
  let folder: string;
  let master: string;

  beforeAll(async () => {
    if (TOOLS === undefined) throw new Error('no ffmpeg');
    folder = await mkdtemp(join(tmpdir(), 'millrace-api-'));
    master = await makeAudio(TOOLS.ffmpeg, folder, { name: 'talk.wav', seconds: 3 });
    const segments = join(folder, 'segments.json');
    await writeFile(segments, JSON.stringify({ segments: SEGMENTS }));
    origin = await startOrigin();
    origin.files.set('talk.wav', { file: master });
    origin.files.set('segments.json', { file: segments });
    stack = await startTestStack({ workers: 1, allowHosts: [origin.host] });
    api = clientOf(stack.stack.description.api);
  });
  afterAll(async () => {
    await stack?.stop();
    await origin?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const uriOf = (job: string, key: string) => `s3://videos/pipelines/${job}/${key}`;
  const outputsOf = (job: string) =>
    SEGMENTS.map((_, index) => uriOf(job, `stage/segmentation/audio_segments/segment_${index}.wav`));
  const segment = (request: object) => api.ask('POST', '/api/pipeline/segment', { body: request });

  async function expectReady(client: ApiClient, job: string): Promise<void> {
    const path = `/api/pipeline/status?job_id=${job}&expected=${SEGMENTS.length}`;
    await eventually(`${job} is ready`, async () => {
      const status = SegmentStatus.parse((await client.ask('GET', path)).json);
      return status.ready === SEGMENTS.length;
    });
    const { status, json } = await client.ask('GET', path);
    expect({ status, json }).toEqual({
      status: 200,
      json: {
        job_id: job,
        expected: SEGMENTS.length,
        ready: SEGMENTS.length,
        segments: outputsOf(job).map((uri, index) => ({ index, ready: true, uri })),
      },
    });
  }

  it('takes the request of its documentation, and answers 202 with the outputs to come', async () => {
    const example = (SegmentRequest.meta()?.examples as object[] | undefined)?.[0];
    const { status, json } = await segment({ ...example, job_id: 'documented' });
    expect(status).toBe(202);
    expect(SegmentAnswer.parse(json)).toEqual({ job_id: 'documented', expected: 2, outputs: outputsOf('documented') });
    await api.ask('DELETE', '/api/jobs/documented');
  });

  it('has a recording from the web cut into inline segments, the worker without any key', async () => {
    const { status, json } = await segment({
      job_id: 'web',
      master_audio_http_url: origin.url('talk.wav'),
      presenter_image_http_url: origin.url('talk.wav').replace('talk.wav', 'nobody.png'),
      segments: SEGMENTS,
    });
    expect({ status, json }).toEqual({ status: 202, json: { job_id: 'web', expected: 2, outputs: outputsOf('web') } });
    await expectReady(api, 'web');
    expect((await stack.read('web', 'stage/segmentation/audio_segments/segment_1.wav')).length).toBe(0.75 * 48_000 * 4 + 44);
    const sources = JSON.parse((await stack.read('web', 'inputs/sources.json')).toString());
    expect(sources.sources.map((source: { dest_key: string }) => source.dest_key)).toEqual([
      'inputs/audio/master.wav',
      'inputs/image/presenter.png',
    ]);
  });

  it('takes a recording of the bucket outside the job, and a segments_uri of the web', async () => {
    const { store } = stack.planner;
    await store.put('uploads/talk.wav', await readAll(master));
    const request = {
      job_id: 'bucket',
      master_audio_r2_uri: 's3://videos/uploads/talk.wav',
      // Only used where the other is absent.
      master_audio_http_url: 'https://nowhere.invalid/other.wav',
      segments_uri: origin.url('segments.json'),
    };
    expect(await segment(request)).toMatchObject({ status: 202, json: { expected: 2, outputs: outputsOf('bucket') } });
    await expectReady(api, 'bucket');

    // An output is there a moment before its result.
    await stack.untilDone('bucket');
    const before = await stack.objects('pipelines/bucket/');
    expect((await segment(request)).status).toBe(202);
    expect(await stack.objects('pipelines/bucket/')).toEqual(before);
  });

  it('copies no segments_uri onto itself that is the place of the manifest already, and has the job looked at all the same', async () => {
    await stack.put('own', 'inputs/audio/master.wav', await readAll(master));
    await stack.put('own', 'segments.json', JSON.stringify(SEGMENTS));
    const before = (await stack.objects('pipelines/own/segments.json')).join();
    const uri = uriOf('own', 'segments.json');
    const request = { job_id: 'own', master_audio_r2_uri: uriOf('own', 'inputs/audio/master.wav'), segments_uri: uri };
    expect(await segment(request)).toMatchObject({ status: 202, json: { expected: 2 } });
    await expectReady(api, 'own');
    expect((await stack.objects('pipelines/own/segments.json')).join()).toBe(before);
    const keys = await stack.keys('own');
    expect(keys).not.toContain(SEGMENTS_KEY);
    expect(keys).not.toContain('inputs/sources.json');
  });

  it('looks for the first 64 segments where nobody says how many', async () => {
    const { json } = await api.ask('GET', '/api/pipeline/status?job_id=nothing');
    const { segments, ...rest } = SegmentStatus.parse(json);
    expect(rest).toEqual({ job_id: 'nothing', expected: null, ready: 0 });
    expect(segments.map(({ index }) => index)).toEqual(Array.from({ length: 64 }, (_, index) => index));
  });

  it.each([
    ['neither of the recordings', { segments: SEGMENTS }, 400, 'REQUEST_INVALID', 'master_audio_r2_uri'],
    ['no segments', { master_audio_http_url: 'https://a.example/a.wav' }, 400, 'REQUEST_INVALID', 'segments'],
    [
      'a wrong segment',
      { master_audio_http_url: 'https://a.example/a.wav', segments: [...SEGMENTS, { start_sec: 0, duration_sec: -2 }] },
      400,
      'REQUEST_INVALID',
      'segments[2].duration_sec',
    ],
    ['a bucket of nobody', { master_audio_r2_uri: 's3://other/a.wav', segments: SEGMENTS }, 422, 'URI_NOT_ALLOWED', undefined],
    [
      'a recording that is not there',
      { master_audio_r2_uri: 's3://videos/none.wav', segments: SEGMENTS },
      422,
      'SOURCE_MISSING',
      undefined,
    ],
    [
      'segments of a private network',
      { master_audio_http_url: 'https://a.example/a.wav', segments_uri: 'http://169.254.169.254/latest/meta-data' },
      422,
      'SOURCE_REFUSED',
      undefined,
    ],
  ])('writes nothing for a request with %s', async (_, request, status, code, field) => {
    const answer = await segment({ job_id: 'wrong', ...request });
    expect(answer).toMatchObject({ status, json: { code, ...(field === undefined ? {} : { errors: [{ field }] }) } });
    expect(await stack.keys('wrong')).toEqual([]);
  });

  it('refuses what would become two masters, and a job that is cancelled', async () => {
    await stack.put('two', 'inputs/audio/master.m4a', 'x');
    const request = { job_id: 'two', master_audio_http_url: origin.url('talk.wav'), segments: SEGMENTS };
    expect(await segment(request)).toMatchObject({ status: 409, json: { code: 'INPUT_AMBIGUOUS' } });
    await stack.put('two', 'cancel.json', '{}');
    expect(await segment(request)).toMatchObject({
      status: 409,
      json: { code: 'CONFLICT', fix: expect.stringContaining('resume') },
    });
  });

  describe('without keys of the bucket', () => {
    let publicServer: { readonly origin: string; close(): Promise<void> };
    let keyless: ApiServer;
    let client: ApiClient;
    const token = 'a-token-of-the-keyless-api';

    beforeAll(async () => {
      publicServer = await servePublicly(stack.stack.bucketFolder);
      const config = readConfig({
        VIDEOS_BUCKET: 's3://videos',
        S3_ENDPOINT_URL: 'http://127.0.0.1:1',
        VIDEOS_PUBLIC_BASE_URL: publicServer.origin,
        VIDEOS_PUBLIC_BUCKET: 'videos',
        AWS_EC2_METADATA_DISABLED: 'true',
      });
      process.env.AWS_EC2_METADATA_DISABLED = 'true';
      keyless = await startApiProcess(config, silentLogger, { host: '127.0.0.1', port: 0, tokens: [token] });
      client = clientOf({ url: keyless.url, token });
    });
    afterAll(async () => {
      await keyless?.stop();
      await publicServer?.close();
    });

    it('knows the status of segments through the public address', async () => {
      await expectReady(client, 'web');
      const { json } = await client.ask('GET', '/api/pipeline/status?job_id=web&expected=3');
      expect(SegmentStatus.parse(json)).toMatchObject({ expected: 3, ready: 2, segments: [{}, {}, { index: 2, ready: false }] });
    });

    it('says of everything else what it lacks', async () => {
      const request = { job_id: 'x', master_audio_http_url: 'https://a.example/a.wav', segments: SEGMENTS };
      expect(await client.ask('POST', '/api/pipeline/segment', { body: request })).toMatchObject({
        status: 503,
        json: { code: 'CONFIG_INVALID' },
      });
      expect((await client.ask('GET', '/api/jobs')).status).toBe(503);
    });
  });

  it('reads a bucket that it has no leave for through its public address, and has workers fetch from there', async () => {
    await stack.put('public', 'x', 'x');
    const publicServer = await servePublicly(folder);
    const publicHost = new URL(publicServer.origin).host;
    const config = readConfig({
      ...stack.environment,
      VIDEOS_PUBLIC_BASE_URL: publicServer.origin,
      VIDEOS_PUBLIC_BUCKET: 'recordings',
    });
    const token = 'a-token-of-the-public-mode';
    const server = await startApiProcess(config, silentLogger, { host: '127.0.0.1', port: 0, tokens: [token] });
    try {
      const client = clientOf({ url: server.url, token });
      const ask = (bucket: string) =>
        client.ask('POST', '/api/pipeline/segment', {
          body: {
            job_id: 'public',
            master_audio_r2_uri: `s3://${bucket}/talk.wav`,
            segments_uri: `s3://${bucket}/segments.json`,
          },
        });
      expect(await ask('others')).toMatchObject({ status: 422, json: { code: 'URI_NOT_ALLOWED' } });
      expect(await ask('recordings')).toMatchObject({ status: 202, json: { expected: 2 } });
      const sources = JSON.parse((await stack.read('public', 'inputs/sources.json')).toString());
      expect(sources).toEqual({
        sources: [{ source_uri: `http://${publicHost}/talk.wav`, dest_key: 'inputs/audio/master.wav' }],
      });
      expect(JSON.parse((await stack.read('public', SEGMENTS_KEY)).toString())).toEqual({ segments: SEGMENTS });
    } finally {
      await server.stop();
      await publicServer.close();
    }
  });
});

async function readAll(file: string): Promise<Buffer> {
  return Buffer.concat(await createReadStream(file).toArray());
}

/** Gives every file of a folder away, as a public bucket does. */
async function servePublicly(folder: string): Promise<{ readonly origin: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const body = createReadStream(join(folder, decodeURIComponent(request.url ?? '/')));
    body.once('error', () => response.writeHead(404).end());
    body.once('open', () => {
      if (request.method === 'HEAD') response.writeHead(200).end();
      else body.pipe(response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}
