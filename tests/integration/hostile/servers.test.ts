/** Servers that lie, stall, send without end, or point elsewhere. */

import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskRunner, TaskRunnerOptions } from '../../../handlers/run-task.ts';
import type { TaskAnswer } from '../../../handlers/task.ts';
import { makeAudio } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';
import { failed, startBench, succeeded, type TaskBench } from '../handlers/task-bench.ts';
import { type Canary, startCanary } from './canary.ts';

const MEBIBYTE = 1024 * 1024;
/** Made beforehand: it takes longer than a server may be silent. */
const GZIP_BOMB = gzipSync(Buffer.alloc(64 * MEBIBYTE));
const QUOTA_BYTES = 4 * MEBIBYTE;
/** Nothing here is slow but on purpose. */
const IMPATIENT = { connectTimeoutMs: 1000, idleTimeoutMs: 300, chunkTimeLimitMs: 600 };
const ONE_RETRY = { attempts: 2, firstDelayMs: 5, maxDelayMs: 5 };

const [TOOLS] = ALL_TOOLS;

describe.skipIf(TOOLS === undefined)('hostile servers', () => {
  let bench: TaskBench;
  let canary: Canary;
  let runner: TaskRunner;
  let wav: Buffer;

  beforeAll(async () => {
    if (TOOLS === undefined) throw new Error('no ffmpeg');
    bench = await startBench(TOOLS);
    canary = await startCanary(bench.directory);
    runner = impatient({});
    // Larger than one chunk, so that there is a second request.
    wav = await readFile(await makeAudio(TOOLS.ffmpeg, bench.directory, { name: 'a.wav', seconds: 6 }));
  });
  afterAll(async () => {
    await canary.close();
    await bench.close();
  });

  function impatient(options: Partial<TaskRunnerOptions>): TaskRunner {
    return bench.runnerWith({ diskQuotaBytes: QUOTA_BYTES, network: IMPATIENT, retry: ONE_RETRY, ...options });
  }

  type Behaviour = (request: IncomingMessage, response: ServerResponse, count: number) => void;
  let names = 0;
  function server(behave: Behaviour): string {
    const name = `server-${names++}`;
    bench.origin.faults.set(name, (request, response, count) => {
      behave(request, response, count);
      return true;
    });
    return bench.origin.url(name);
  }

  const scope = () => ({ requestId: 'r', signal: new AbortController().signal, progress: () => undefined, log: bench.logger });
  const run = (on: TaskRunner, task: string, parameters: Record<string, unknown>) =>
    on.run({ task, parameters: { ...parameters, output_put_url: bench.sink.url('hostile') } }, scope());
  const trim = (source_uri: string, on = runner) => run(on, 'AUDIO_TRIM', { source_uri, start_sec: 4, duration_sec: 0.5 });
  const stage = (source_uri: string, on = runner) => run(on, 'STAGE_OBJECT', { source_uri });

  async function expectFailure(answer: TaskAnswer, code: string): Promise<void> {
    expect(failed(answer).code).toBe(code);
    expect(bench.sink.taken.has('hostile')).toBe(false);
    expect(await bench.leftovers()).toEqual([]);
    canary.expectUntouched(bench, answer);
  }

  const rangeOf = ({ headers }: IncomingMessage, total = wav.length) => {
    const [, first = '0', last = '0'] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    return { start: Number(first), end: Math.min(Number(last), total - 1) };
  };
  function ranged(
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer = wav,
    more: Record<string, string> = {},
  ): void {
    const { start, end } = rangeOf(request, body.length);
    response
      .writeHead(206, { 'content-range': `bytes ${start}-${end}/${body.length}`, ...more })
      .end(body.subarray(start, end + 1));
  }

  it('answers a well-behaved one, with the same patience', async () => {
    expect(succeeded(await trim(server((request, response) => ranged(request, response))))).toMatchObject({ samples: 24_000 });
    bench.sink.taken.delete('hostile');
  });

  it.each<{ what: string; code: string; behave: Behaviour }>([
    {
      what: 'refuses every range',
      code: 'SOURCE_UNREACHABLE',
      behave: (_request, response) => void response.writeHead(416, { 'content-range': 'bytes */5000' }).end(),
    },
    {
      what: 'refuses a later range',
      code: 'SOURCE_CHANGED',
      behave: (request, response, count) =>
        count === 1 ? ranged(request, response) : void response.writeHead(416, { 'content-range': 'bytes */10' }).end(),
    },
    {
      what: 'answers a later range with the whole of something else',
      code: 'SOURCE_UNREACHABLE',
      behave: (request, response, count) =>
        count === 1 ? ranged(request, response) : void response.writeHead(200).end(Buffer.alloc(1000, 'other bytes')),
    },
    {
      what: 'answers a later range of another version',
      code: 'SOURCE_CHANGED',
      behave: (request, response, count) => ranged(request, response, wav, { etag: `"${count}"` }),
    },
    {
      what: 'answers another range than was asked for',
      code: 'SOURCE_UNREACHABLE',
      behave: (_request, response) =>
        void response.writeHead(206, { 'content-range': 'bytes 100-199/5000' }).end(Buffer.alloc(100)),
    },
    {
      what: 'answers with a range where the whole was asked for',
      code: 'SOURCE_UNREACHABLE',
      behave: (_request, response) =>
        void response.writeHead(206, { 'content-range': 'bytes 0-999/*' }).end(wav.subarray(0, 1000)),
    },
    {
      what: 'sends more than a range holds',
      code: 'SOURCE_UNREACHABLE',
      behave: (request, response) => {
        const { start, end } = rangeOf(request);
        response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${wav.length}` });
        response.end(Buffer.alloc(2 * MEBIBYTE, 'more'));
      },
    },
    {
      what: 'closes early in every range',
      code: 'SOURCE_UNREACHABLE',
      behave: (request, response) => {
        const { start, end } = rangeOf(request);
        const headers = { 'content-range': `bytes ${start}-${end}/${wav.length}`, 'content-length': end - start + 1 };
        response.writeHead(206, headers);
        response.write(wav.subarray(start, start + 100), () => response.destroy());
      },
    },
    {
      what: 'knows no ranges and sends less than its Content-Length',
      code: 'SOURCE_UNREACHABLE',
      behave: (_request, response) => {
        response.writeHead(200, { 'content-length': wav.length });
        response.write(wav.subarray(0, 1000), () => response.destroy());
      },
    },
    {
      what: 'sends more than its Content-Length',
      code: 'INPUT_INVALID',
      behave: (_request, response) => {
        const { socket } = response;
        socket?.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n'), wav]));
      },
    },
    {
      what: 'drips a byte at a time',
      code: 'SOURCE_UNREACHABLE',
      behave: (request, response) => {
        const { start, end } = rangeOf(request);
        response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${wav.length}` });
        const drip = setInterval(() => response.write('x'), 50);
        response.once('close', () => clearInterval(drip));
      },
    },
    {
      what: 'drips without ranges',
      code: 'SOURCE_UNREACHABLE',
      behave: (_request, response) => {
        response.writeHead(200);
        const drip = setInterval(() => response.write('x'), 50);
        response.once('close', () => clearInterval(drip));
      },
    },
    { what: 'says nothing at all', code: 'SOURCE_UNREACHABLE', behave: () => undefined },
    {
      what: 'sends without end and without a length',
      code: 'DISK_FULL',
      behave: (_request, response) => {
        response.writeHead(200);
        const pour = () => {
          while (response.write(Buffer.alloc(256 * 1024)));
        };
        response.on('drain', pour);
        pour();
      },
    },
    {
      what: 'promises more than the disk may hold',
      code: 'DISK_FULL',
      behave: (_request, response) => void response.writeHead(200, { 'content-length': 10 ** 12 }).write('x'),
    },
    {
      what: 'sends a gzip bomb',
      code: 'INPUT_INVALID',
      behave: (_request, response) => {
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(GZIP_BOMB);
      },
    },
    {
      what: 'answers with headers that are too long',
      code: 'SOURCE_UNREACHABLE',
      behave: (_request, response) => void response.writeHead(200, { 'x-long': 'x'.repeat(40_000) }).end(),
    },
  ])('says $code of one that $what', async ({ code, behave }) => {
    await expectFailure(await trim(server(behave)), code);
  });

  it('copies the whole of one that does not say what its ranges are a part of', async () => {
    const url = server((request, response) => {
      if (request.headers.range === undefined) return void response.writeHead(200).end(wav);
      const { start, end } = rangeOf(request);
      response.writeHead(206, { 'content-range': `bytes ${start}-${end}/*` }).end(wav.subarray(start, end + 1));
    });
    expect(succeeded(await stage(url)).bytes_written).toBe(wav.length);
    expect(bench.sink.taken.get('hostile')?.body.equals(wav)).toBe(true);
    bench.sink.taken.delete('hostile');
  });

  it('resumes a range where it broke, and cuts the same samples', async () => {
    const url = server((request, response, count) => {
      if (count !== 2) return ranged(request, response);
      const { start, end } = rangeOf(request);
      response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${wav.length}`, 'content-length': end - start + 1 });
      response.write(wav.subarray(start, start + 50_000), () => response.destroy());
      return undefined;
    });
    succeeded(await trim(url));
    const taken = bench.sink.taken.get('hostile')?.body ?? Buffer.alloc(0);
    bench.sink.taken.delete('hostile');
    const data = wav.indexOf('data') + 8;
    expect(taken.subarray(44).equals(wav.subarray(data + 4 * 48_000 * 4, data + 4.5 * 48_000 * 4))).toBe(true);
  });

  it('does not fill the disk with many inputs that are small enough by themselves', async () => {
    const half = Buffer.alloc(QUOTA_BYTES / 2 + 1000);
    const url = () => server((_request, response) => void response.writeHead(200).end(half));
    const answer = await run(runner, 'CONCATENATION', { segment_urls: [url(), url(), url()] });
    expect(['DISK_FULL', 'INPUT_INVALID']).toContain(failed(answer).code);
    expect(await bench.leftovers()).toEqual([]);
  });

  it('says DISK_FULL where what ffmpeg writes outgrows the quota, and uploads nothing', async () => {
    if (TOOLS === undefined) return;
    const opus = await makeAudio(TOOLS.ffmpeg, bench.directory, { name: 'o.ogg', seconds: 40, codec: ['-c:a', 'libopus'] });
    const answer = await run(runner, 'AUDIO_TRIM', { source_uri: bench.serve(opus), start_sec: 0, duration_sec: 38 });
    expect(failed(answer)).toMatchObject({ retryable: false, fix: expect.stringContaining('MILLRACE_TASK_DISK_QUOTA_BYTES') });
    await expectFailure(answer, 'DISK_FULL');
  });

  describe('that point elsewhere', () => {
    const redirect = (location: string, status = 302) =>
      server((_request, response) => void response.writeHead(status, { location }).end());

    it.each([
      ['the cloud metadata address', () => 'http://169.254.169.254/latest/meta-data/iam/security-credentials/'],
      ['the same in decimal', () => 'http://2852039166/latest/meta-data/'],
      ['the same in hexadecimal', () => 'http://0xa9fea9fe/'],
      ['the same inside IPv6', () => 'http://[::ffff:169.254.169.254]/'],
      ['another port of this machine', () => canary.url],
      ['loopback by name', () => `http://localhost:${canary.port}/`],
      ['loopback in octal', () => `http://0177.0.0.1:${canary.port}/`],
      ['loopback in short', () => `http://127.1:${canary.port}/`],
      ['loopback of IPv6', () => `http://[::1]:${canary.port}/`],
      ['a private address', () => 'http://10.0.0.1/'],
      ['a file', () => `file://${canary.file}`],
      ['another protocol', () => `gopher://127.0.0.1:${canary.port}/_GET`],
    ])('are not followed to %s, by a redirect or at once', async (_what, target) => {
      await expectFailure(await stage(redirect(target())), 'SOURCE_REFUSED');
      await expectFailure(await trim(redirect(target(), 307)), 'SOURCE_REFUSED');
      if (target().startsWith('http:')) await expectFailure(await stage(target()), 'SOURCE_REFUSED');
    });

    it('are not followed without end', async () => {
      const circle: { url: string } = { url: '' };
      circle.url = server((_request, response) => void response.writeHead(302, { location: circle.url }).end());
      await expectFailure(await stage(circle.url), 'SOURCE_REFUSED');
    });

    it('are refused by a name that turns to an inner address between two look-ups', async () => {
      const [, port = ''] = bench.origin.host.split(':');
      const asked: string[] = [];
      // The first name is allowed as it is; the second was never checked before it is connected to, and each look-up could lie anew.
      const resolve = async (hostname: string) => {
        asked.push(hostname);
        return [{ address: '127.0.0.1', family: 4 as const }];
      };
      const rebound = impatient({
        allowHosts: [`trusted.example:${port}`, bench.sink.host],
        network: { ...IMPATIENT, resolve },
      });
      const path = new URL(redirect(`http://rebound.example:${canary.port}/canary`)).pathname;
      await expectFailure(await stage(`http://trusted.example:${port}${path}`, rebound), 'SOURCE_REFUSED');
      // One look-up a connection: nothing is resolved again after the check.
      expect(asked).toEqual(['trusted.example', 'rebound.example']);
    });

    it('are connected to at the addresses that were checked, whatever else the name resolves to', async () => {
      const resolve = async () => [
        { address: '127.0.0.1', family: 4 as const },
        { address: '::1', family: 6 as const },
      ];
      const rebound = impatient({ network: { ...IMPATIENT, resolve } });
      await expectFailure(await stage(`http://both.example:${canary.port}/`, rebound), 'SOURCE_REFUSED');
    });
  });
});
