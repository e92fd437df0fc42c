/**
 * A consumer in a process of its own: `node storm-process.ts <task as JSON>`. The production parts, with a reconcile behind them that
 * writes down what it did and meets with what the plan says. Ends on SIGTERM, and with its parent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createBucketWatch } from '../../../consumers/bucket-watch.ts';
import { createJobTurns } from '../../../consumers/job-turns.ts';
import { MillraceError } from '../../../errors.ts';
import { createLogger } from '../../../log.ts';
import { createConsumer, createHandler } from './consumer-under-test.ts';
import { openStormFolder } from './storm-folder.ts';
import type { Misfortune } from './storm-plan.ts';
import { CONCURRENCY, type StormTask } from './storm-task.ts';

const WORK_MS = 4;
const HANG_LEASES = 1.5;
const SLEEP_LEASES = 1.3;
const BUCKET_AWAY_MS = 1_500;
const TURNS_GRACE_MS = 1_000;

async function consume({ address, leaseSeconds, folder: path, fates }: StormTask): Promise<void> {
  const folder = openStormFolder(path);
  const log = createLogger({ level: 'warn', name: `consumer ${process.pid}` });
  const leaseMs = leaseSeconds * 1000;
  let turnCount = 0;
  let bucketAwayUntilMs = 0;

  const askBucket = async () => {
    if (performance.now() < bucketAwayUntilMs) throw new MillraceError('STORE_UNREACHABLE', 'the bucket is away');
  };

  async function meet(misfortune: Misfortune, signal: AbortSignal): Promise<void> {
    switch (misfortune) {
      case 'fails':
        throw new MillraceError('STORE_ERROR', 'this reconcile was to fail');
      case 'finds the bucket away':
        bucketAwayUntilMs = performance.now() + BUCKET_AWAY_MS;
        return askBucket();
      case 'hangs':
        return sleep(leaseMs * HANG_LEASES, undefined, { signal });
      case 'sleeps through its lease':
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, leaseMs * SLEEP_LEASES);
        return;
      default:
        process.kill(process.pid, 'SIGKILL');
        // It is not dead yet when the call returns.
        return new Promise(() => undefined);
    }
  }

  async function reconcile(job: string, signal: AbortSignal): Promise<void> {
    turnCount += 1;
    const about = { process: process.pid, turn: `${process.pid}.${turnCount}`, job };
    const seen = folder.objectsOf(job);
    folder.record({ kind: 'began', ...about, seen });
    try {
      await askBucket();
      await sleep(WORK_MS, undefined, { signal });
      const index = fates.findIndex((fate, at) => fate.job === job && fate.fromSeen <= seen && folder.meet(at));
      const misfortune = fates[index]?.misfortune;
      if (misfortune === 'dies after its success') folder.record({ kind: 'ended', ...about, succeeded: true });
      if (misfortune !== undefined) await meet(misfortune, signal);
      folder.record({ kind: 'ended', ...about, succeeded: true });
    } catch (thrown) {
      folder.record({ kind: 'ended', ...about, succeeded: false });
      throw thrown;
    }
  }

  const turns = createJobTurns({ reconcile, concurrency: CONCURRENCY, log });
  const handle = createHandler({ turns, log, onFailure: (error) => watch.report(error) });
  const consumer = createConsumer(address, {
    leaseSeconds,
    log,
    handle: (message, signal) => {
      folder.record({ kind: 'received', process: process.pid, message: message.id, receiveCount: message.receiveCount });
      return handle(message, signal);
    },
  });
  const watch = createBucketWatch({ probe: askBucket, consumers: [consumer], log, firstPauseMs: 200, maxPauseMs: 1_000 });
  const told = new Promise<void>((resolve) => process.once('SIGTERM', resolve));
  // It stays open as long as the parent lives, and keeps this process alive as long.
  process.stdin.once('end', () => process.exit(1)).resume();
  consumer.start();
  process.stdout.write('ready\n');
  await told;
  await consumer.stop();
  await turns.close(TURNS_GRACE_MS);
  await watch.close();
  await consumer.close();
  process.stdin.destroy();
}

const [task] = process.argv.slice(2);
if (task === undefined) throw new Error('which task?');
await consume(JSON.parse(task));
