import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { createGpuSession } from '../../../handlers/gpu-session.ts';
import { silentLogger } from '../../../log.ts';

const RETRY = { attempts: 3, firstDelayMs: 1, maxDelayMs: 2 };
const full = () => new MillraceError('GPU_OUT_OF_MEMORY', 'full');

describe('the GPU session', () => {
  const running = (signal = new AbortController().signal) => ({ signal, log: silentLogger });

  it('is used by one at a time, in the order of asking', async () => {
    const gpu = createGpuSession(RETRY);
    const events: string[] = [];
    const work = (name: string) => async () => {
      events.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      events.push(`${name} ends`);
    };
    await Promise.all(['a', 'b', 'c'].map((name) => gpu.use(work(name), running())));
    expect(events).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  });

  it('goes to the next one when work fails', async () => {
    const gpu = createGpuSession(RETRY);
    const failing = gpu.use(async () => Promise.reject(new MillraceError('GPU_FAILED', 'broken')), running());
    const next = gpu.use(async () => 'done', running());
    await expect(failing).rejects.toMatchObject({ code: 'GPU_FAILED' });
    expect(await next).toBe('done');
  });

  it('is tried again while it is full, and not for ever', async () => {
    const gpu = createGpuSession(RETRY);
    let tries = 0;
    const fullUntil = (last: number) => async () => {
      tries++;
      if (tries < last) throw full();
      return tries;
    };
    expect(await gpu.use(fullUntil(3), running())).toBe(3);
    tries = 0;
    await expect(gpu.use(fullUntil(9), running())).rejects.toMatchObject({ code: 'GPU_OUT_OF_MEMORY' });
    expect(tries).toBe(3);
  });

  it('lets a stopped task go while it waits, and keeps the line for the others', async () => {
    const gpu = createGpuSession(RETRY);
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    const first = gpu.use(() => finished, running());
    const stopping = new AbortController();
    let ran = false;
    const stopped = gpu.use(async () => {
      ran = true;
    }, running(stopping.signal));
    let firstDone = false;
    const third = gpu.use(async () => firstDone, running());
    stopping.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'CANCELLED' });
    firstDone = true;
    finish();
    await first;
    expect(await third).toBe(true);
    expect(ran).toBe(false);
  });
});
