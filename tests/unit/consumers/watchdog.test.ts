import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ConsumerStatus } from '../../../consumers/queue-message.ts';
import { createWatchdog, stalledForMs } from '../../../consumers/watchdog.ts';
import { createLogger } from '../../../log.ts';

const MAX_SILENCE_MS = 60_000;

describe('the decision', () => {
  const running = { running: true, paused: false, full: false, lastPollMs: 1_000 };
  const reading = { sinceMs: 0, maxSilenceMs: 100 };
  test.each([
    ['a queue that answered within the bound', running, 1_100, undefined],
    ['a queue that has been silent for longer', running, 1_101, 101],
    ['a consumer that is paused', { ...running, paused: true }, 9_000, undefined],
    ['a consumer that holds as many messages as it may', { ...running, full: true }, 9_000, undefined],
    ['a consumer that has stopped', { ...running, running: false }, 9_000, undefined],
    ['a start without any answer, within the bound', { ...running, lastPollMs: undefined }, 100, undefined],
    ['a start without any answer, later', { ...running, lastPollMs: undefined }, 101, 101],
  ])('%s', (_name, status, nowMs, silentMs) => {
    expect(stalledForMs({ ...reading, status, nowMs })).toBe(silentMs);
  });

  test('silence from before the last pause does not count', () => {
    expect(stalledForMs({ ...reading, status: running, sinceMs: 5_000, nowMs: 5_050 })).toBeUndefined();
  });
});

describe('the watchdog', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function watched(lastPollMs?: number) {
    const status: { -readonly [Name in keyof ConsumerStatus]: ConsumerStatus[Name] } = {
      running: true,
      paused: false,
      lastPollMs,
      failedPolls: 0,
      inFlight: 2,
      full: false,
    };
    const lines: Record<string, unknown>[] = [];
    const log = createLogger({ level: 'error', name: 'test', stream: { write: (line) => lines.push(JSON.parse(line)) } });
    const watchdog = createWatchdog({ name: 'sqs', consumer: { status: () => status }, log, maxSilenceMs: MAX_SILENCE_MS });
    return { status, watchdog, said: () => lines.map(({ level, message }) => `${level}: ${message}`), lines };
  }

  test('says once that the queue is silent, and once that it answers again', () => {
    const { status, watchdog, said, lines } = watched();
    vi.advanceTimersByTime(MAX_SILENCE_MS);
    expect({ said: said(), isHealthy: watchdog.isHealthy() }).toEqual({ said: [], isHealthy: true });
    vi.advanceTimersByTime(10 * MAX_SILENCE_MS);
    expect(said()).toEqual(['error: the queue does not answer: nothing is received']);
    expect(lines[0]).toMatchObject({ consumer: 'sqs', inFlight: 2 });
    expect(watchdog.isHealthy()).toBe(false);
    status.lastPollMs = Date.now();
    vi.advanceTimersByTime(MAX_SILENCE_MS);
    expect(said().slice(1)).toEqual(['error: the queue answers again']);
    expect(watchdog.isHealthy()).toBe(true);
    vi.advanceTimersByTime(2 * MAX_SILENCE_MS);
    expect(said()).toHaveLength(3);
    watchdog.close();
  });

  test('a pause is no stall, and after it the queue has its full time to answer', () => {
    const { status, watchdog, said } = watched(Date.now());
    status.paused = true;
    vi.advanceTimersByTime(5 * MAX_SILENCE_MS);
    status.paused = false;
    vi.advanceTimersByTime(MAX_SILENCE_MS / 2);
    expect({ said: said(), isHealthy: watchdog.isHealthy() }).toEqual({ said: [], isHealthy: true });
    vi.advanceTimersByTime(MAX_SILENCE_MS);
    expect(said()).toHaveLength(1);
    watchdog.close();
  });

  test('long work in every hand is no stall, and after it the queue has its full time to answer', () => {
    const { status, watchdog, said } = watched(Date.now());
    status.full = true;
    vi.advanceTimersByTime(5 * MAX_SILENCE_MS);
    status.full = false;
    vi.advanceTimersByTime(MAX_SILENCE_MS / 2);
    expect({ said: said(), isHealthy: watchdog.isHealthy() }).toEqual({ said: [], isHealthy: true });
    vi.advanceTimersByTime(MAX_SILENCE_MS);
    expect(said()).toHaveLength(1);
    watchdog.close();
  });

  test('closed, it says nothing more', () => {
    const { watchdog, said } = watched();
    watchdog.close();
    vi.advanceTimersByTime(10 * MAX_SILENCE_MS);
    expect(said()).toEqual([]);
  });
});
