import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import type { Tools } from '../../../handlers/ffmpeg/locate.ts';
import { probe } from '../../../handlers/ffmpeg/probe.ts';
import { type Gateway, startGateway } from '../../../handlers/inputs/gateway.ts';
import { createMedia, type MediaData } from '../../../handlers/media.ts';
import { makeVideo } from '../../media/generate.ts';
import { ALL_TOOLS } from '../../media/tools.ts';

const never = () => new AbortController().signal;
/** Long enough for ffprobe to have started and asked. */
const STARTED_MS = 400;

describe.each(ALL_TOOLS)('a look at what is yet to come, with the $origin ffprobe $version', (tools: Tools) => {
  let directory: string;
  let gateway: Gateway;
  let tokens = 0;
  let video: string;
  const media = (signal = never()) => createMedia({ tools, gateway, signal });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-media-'));
    gateway = await startGateway({ randomToken: () => `token${tokens++}` });
    video = await makeVideo(tools.ffmpeg, directory, { name: 'video.mp4', width: 640, height: 360, seconds: 2 });
  });
  afterAll(async () => {
    await gateway.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('tells of a file that is written meanwhile what a look at it tells afterwards', async () => {
    const file = join(directory, 'later.mp4');
    const coming = Promise.withResolvers<MediaData>();
    const looking = media().probe(coming.promise);
    await sleep(STARTED_MS);
    await copyFile(video, file);
    coming.resolve({ file });
    const info = await looking;
    expect(info.video).toMatchObject({ width: 640, height: 360 });
    expect(info).toEqual(await media().probe({ file }));
  });

  it.each([0, STARTED_MS])('throws why it never came, told after %i ms, and leaves no process', async (waitMs) => {
    const coming = Promise.withResolvers<MediaData>();
    const looking = media().probe(coming.promise);
    const threw = expect(looking).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
    const token = `token${tokens - 1}`;
    await sleep(waitMs);
    coming.reject(new MillraceError('SOURCE_MISSING', 'It is not there.'));
    await threw;
    expect(processesWith(token)).toEqual([]);
  });

  it('looks once more where the ffprobe that waited has died', async () => {
    const coming = Promise.withResolvers<MediaData>();
    const looking = media().probe(coming.promise);
    const token = `token${tokens - 1}`;
    await sleep(STARTED_MS);
    for (const pid of processesWith(token)) process.kill(pid, 'SIGKILL');
    await sleep(STARTED_MS);
    expect(processesWith(token)).toEqual([]);
    coming.resolve({ file: video });
    expect((await looking).video).toMatchObject({ width: 640, height: 360 });
  });

  it('calls a file invalid that is empty, or was never written', async () => {
    const empty = join(directory, 'empty.mp4');
    await writeFile(empty, '');
    for (const file of [empty, join(directory, 'none.mp4')])
      await expect(media().probe(Promise.resolve({ file }))).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  it('ends when the task is stopped while it waits', async () => {
    const controller = new AbortController();
    const coming = Promise.withResolvers<MediaData>();
    const threw = expect(media(controller.signal).probe(coming.promise)).rejects.toMatchObject({ code: 'CANCELLED' });
    const token = `token${tokens - 1}`;
    await sleep(STARTED_MS);
    expect(processesWith(token)).toHaveLength(1);
    controller.abort();
    coming.reject(new MillraceError('CANCELLED', 'The work was stopped.'));
    await threw;
    expect(processesWith(token)).toEqual([]);
  });
});

describe('the time limit of a look', () => {
  it('counts from when there is something to look at', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-media-'));
    try {
      const ffprobe = join(directory, 'ffprobe');
      await writeFile(ffprobe, '#!/bin/sh\nexec sleep 60\n');
      await chmod(ffprobe, 0o755);
      const coming = Promise.withResolvers<void>();
      let ended = false;
      const options = { ffprobe, signal: never(), ready: coming.promise, timeLimitMs: 50 };
      const looking = probe({ file: 'any' }, options).finally(() => {
        ended = true;
      });
      const threw = expect(looking).rejects.toMatchObject({ code: 'TIME_LIMIT' });
      await sleep(300);
      expect(ended).toBe(false);
      coming.resolve();
      await threw;
      await expect(probe({ file: 'any' }, { ...options, ready: undefined })).rejects.toMatchObject({ code: 'TIME_LIMIT' });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

/** Of the processes with the text among their arguments. */
function processesWith(text: string): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,args=']).toString().split('\n');
  return lines.filter((line) => line.includes(`/${text}`)).map((line) => Number.parseInt(line, 10));
}
