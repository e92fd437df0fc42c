/** MILLRACE_REQUIRE_GPU and a missing ffmpeg, at a RunPod that is a small server here. There is no GPU: `fakeGpu` stands in for one that works. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodeOf } from '../../../cli/exit-codes.ts';
import { runOneJob, serveRunpod } from '../../../cli/worker-process.ts';
import { readConfig } from '../../../config.ts';
import { MillraceError } from '../../../errors.ts';
import { silentLogger } from '../../../log.ts';
import { fakeGpu, type GpuFault } from '../../media/fake-gpu.ts';
import { ALL_TOOLS } from '../../media/tools.ts';

const [TOOLS] = ALL_TOOLS;
const NO_ENCODER = '[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: unsupported device (2): (no details)';

describe.skipIf(TOOLS === undefined)('a worker that lacks what it needs', () => {
  let directory: string;
  let server: Server;
  const asked: URL[] = [];
  const posted: string[] = [];
  /** What the next request for a job is answered with. */
  let waiting: string | undefined;
  const signal = new AbortController().signal;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-require-gpu-'));
    server = createServer(async (request, response) => {
      const url = new URL(request.url ?? '/', 'http://runpod');
      asked.push(url);
      if (request.method === 'POST') posted.push(await text(request));
      const job = url.pathname === '/take' ? waiting : undefined;
      if (job !== undefined) waiting = undefined;
      response.writeHead(job === undefined ? 204 : 200).end(job);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true, force: true });
  });

  async function configOf(name: string, faults: readonly GpuFault[], required: boolean) {
    const { ffmpeg } = await fakeGpu(TOOLS?.ffmpeg ?? '', directory, name, faults);
    return readConfig({
      ...{ FFMPEG_PATH: ffmpeg, FFPROBE_PATH: TOOLS?.ffprobe, MILLRACE_WORK_DIR: join(directory, 'work') },
      MILLRACE_REQUIRE_GPU: String(required),
    });
  }

  function environment() {
    const address = server.address();
    const base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    return {
      ...{ RUNPOD_WEBHOOK_GET_JOB: `${base}/take`, RUNPOD_WEBHOOK_POST_OUTPUT: `${base}/done/$ID` },
      ...{ RUNPOD_WEBHOOK_PING: `${base}/ping`, RUNPOD_AI_API_KEY: 'key' },
    };
  }

  it('where a GPU is required, tells RunPod that it is unhealthy, takes no job, and exits as for any wrong setting', async () => {
    const config = await configOf('without', [{ on: ['_nvenc'], stderr: NO_ENCODER }], true);

    const thrown = await serveRunpod(config, environment(), silentLogger, signal).catch((error: unknown) => error);

    expect(thrown).toBeInstanceOf(MillraceError);
    expect(thrown).toMatchObject({ code: 'GPU_REQUIRED', message: expect.stringContaining('this GPU has no encoder') });
    expect(thrown instanceof MillraceError && exitCodeOf(thrown)).toBe(78);
    expect(asked.map(({ pathname }) => pathname)).toEqual(['/ping']);
    expect(asked[0]?.searchParams.get('status')).toBe('unhealthy');
    expect(asked[0]?.searchParams.get('check')).toBe('GPU_REQUIRED');
    expect(asked[0]?.searchParams.get('reason')).toContain('no encoder');
  });

  it('works where the GPU has proved itself', async () => {
    const config = await configOf('with', [], true);
    const { answerLine, exitCode } = await runOneJob(config, '{"input":{"task":"PING"}}', silentLogger, signal);
    expect(exitCode).toBe(0);
    expect(answerLine).toContain('"h264_nvenc":true');
  });

  it('works without one where none is required', async () => {
    const config = await configOf('optional', [{ on: ['_nvenc'], stderr: NO_ENCODER }], false);
    const { answerLine, exitCode } = await runOneJob(config, '{"input":{"task":"PING"}}', silentLogger, signal);
    expect(exitCode).toBe(0);
    expect(answerLine).toContain('"h264_nvenc_reason":"this GPU has no encoder');
  });

  it('asks for a job before it has looked for ffmpeg, and answers one that comes with the reason why it cannot work', async () => {
    asked.length = 0;
    waiting = JSON.stringify({ id: 'early', input: { task: 'PING' } });
    const config = readConfig({ FFMPEG_PATH: join(directory, 'no-ffmpeg'), MILLRACE_WORK_DIR: join(directory, 'work') });

    const thrown = await serveRunpod(config, environment(), silentLogger, signal).catch((error: unknown) => error);

    expect(thrown).toMatchObject({ code: 'FFMPEG_MISSING' });
    expect(posted).toHaveLength(1);
    expect(JSON.parse(posted[0] ?? '').error).toContain('FFMPEG_MISSING');
    expect(asked.filter(({ pathname }) => pathname === '/done/early')).toHaveLength(1);
    expect(asked.at(-1)?.searchParams.get('check')).toBe('FFMPEG_MISSING');
  });
});
