/**
 * In which order test files start. On a machine that has never run them vitest knows no durations and goes by their sizes, which say little:
 * a run would end with one processor waiting for the other's last file, and while all files of the moment wait for leases and sweeps both
 * would idle. So those of many seconds begin first, each kind the longest first, and those that wait beside those that work.
 */
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Seconds on two processors that do nothing else; what is not here takes less than ten. No harm is done where they are somewhat wrong. */
export const LONG_FILES: { readonly [kind in 'waiting' | 'working']: Readonly<Record<string, number>> } = {
  waiting: {
    'tests/conformance/queues/pubsub.test.ts': 145,
    'tests/integration/chaos/kill.test.ts': 75,
    'tests/integration/consumers/sqs-moto.test.ts': 50,
    'tests/integration/consumers/sqs-local-queue.test.ts': 50,
    'tests/integration/consumers/pubsub.test.ts': 45,
    'tests/conformance/queues/cloudflare.test.ts': 40,
    'tests/conformance/queues/sqs-local.test.ts': 40,
    'tests/conformance/queues/sqs-moto.test.ts': 40,
    'tests/integration/cli/dead-letters.test.ts': 30,
    'tests/integration/consumers/cloudflare-queues.test.ts': 27,
    'tests/integration/cli/dev.test.ts': 27,
    'tests/integration/consumers/dead-letters-moto.test.ts': 25,
    'tests/conformance/sqs/sqs.test.ts': 20,
    'tests/integration/runpod/worker.test.ts': 20,
    'tests/integration/loop/problems.test.ts': 20,
    'tests/conformance/s3/miniflare.test.ts': 15,
    'tests/conformance/storage/miniflare.test.ts': 15,
    'tests/integration/local/queue/kill.test.ts': 15,
    'tests/integration/local/pubsub/emulator.test.ts': 15,
    'tests/integration/secrets.test.ts': 15,
    'tests/integration/telemetry/telemetry.test.ts': 15,
    'tests/integration/local/queue/pollers.test.ts': 12,
    'tests/integration/api/requests.test.ts': 12,
    'tests/integration/local/bucket/killed.test.ts': 12,
  },
  working: {
    'tests/integration/cli/demo.test.ts': 60,
    'tests/browser/dashboard.test.ts': 45,
    'tests/integration/chaos/scale.test.ts': 45,
    'tests/unit/simulation.test.ts': 45,
    'tests/integration/bench.test.ts': 35,
    'tests/integration/loop/chunks.test.ts': 30,
    'tests/integration/handlers/audio-trim.test.ts': 32,
    'tests/integration/loop/media.test.ts': 30,
    'tests/integration/handlers/video-tasks.test.ts': 26,
    'tests/integration/loop/restart.test.ts': 25,
    'tests/integration/docs/commands.test.ts': 25,
    'tests/integration/loop/redelivery.test.ts': 24,
    'tests/integration/handlers/video-sound.test.ts': 24,
    'tests/integration/handlers/video-sources.test.ts': 20,
    'tests/integration/handlers/gpu-ladder.test.ts': 20,
    'tests/integration/consumers/dead-letters-pubsub.test.ts': 18,
    'tests/integration/docs/cookbook.test.ts': 18,
    'tests/integration/loop/queues.test.ts': 17,
    'tests/integration/cli/job-control.test.ts': 16,
    'tests/integration/handlers/video-copies.test.ts': 16,
    'tests/integration/loop/order.test.ts': 16,
    'tests/integration/handlers/audio-golden.test.ts': 27,
    'tests/unit/pipeline/plan.test.ts': 15,
    'tests/integration/cli/offline.test.ts': 14,
    'tests/integration/consumers/dead-letters-cloudflare.test.ts': 13,
    'tests/integration/handlers/task-failures.test.ts': 13,
    'tests/integration/hostile/disguises.test.ts': 13,
    'tests/integration/cli/doctor.test.ts': 12,
    'tests/integration/local/bucket/large-body.test.ts': 11,
    'tests/integration/cli/job-views.test.ts': 10,
  },
};

export class StartOrder extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const names = new Map(files.map((file) => [relative(this.ctx.config.root, file.moduleId).replaceAll('\\', '/'), file]));
    const first = interleaved(LONG_FILES.waiting, LONG_FILES.working).flatMap((name) => names.get(name) ?? []);
    const others = files.filter((file) => !first.includes(file));
    return [...first, ...(await super.sort(others))];
  }
}

/** Both by falling durations; the next is always one of the kind of which fewer seconds have begun. */
export function interleaved(...kinds: readonly Readonly<Record<string, number>>[]): string[] {
  const queues = kinds.map((kind) => ({ begun: 0, left: Object.entries(kind).sort(([, a], [, b]) => b - a) }));
  const order: string[] = [];
  for (;;) {
    const queue = queues.filter(({ left }) => left.length > 0).sort((a, b) => a.begun - b.begun)[0];
    const [name, seconds] = queue?.left.shift() ?? [];
    if (queue === undefined || name === undefined || seconds === undefined) return order;
    queue.begun += seconds;
    order.push(name);
  }
}
