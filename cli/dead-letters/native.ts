/** `dead-letters replay --native`: SQS moves all letters by itself. */
import type { Config } from '../../config.ts';
import { isOpen } from '../../consumers/dead-letters/filter.ts';
import { MAX_MOVES_PER_SECOND, runMoveTask } from '../../consumers/dead-letters/sqs-move-task.ts';
import { MillraceError } from '../../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { sqsClient } from '../queue-clients.ts';
import { stopSignal } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { filterOf } from './filter-options.ts';
import { plural } from './list.ts';
import { createProgress } from './progress.ts';
import { deadLetterAddress, mainAddress } from './queues.ts';
import type { ReplayOptions } from './run.ts';

export async function moveNatively(config: Config, terminal: Terminal, options: ReplayOptions): Promise<void> {
  refuseWhatItCannot(options);
  const [from, to] = [deadLetterAddress(config), mainAddress(config)];
  if (from.kind !== 'sqs' || to.kind !== 'sqs') {
    throw new MillraceError('USAGE', '--native is for SQS: no other queue has message move tasks.', {
      fix: 'Leave --native out.',
    });
  }
  const client = await sqsClient(config, from.url);
  const toClient = await sqsClient(config, to.url);
  const progress = createProgress(process.stderr);
  try {
    const { moved, wasRunning, status } = await runMoveTask({
      client,
      fromUrl: from.url,
      to: { client: toClient, queueUrl: to.url },
      perSecond: options.rate,
      onProgress: progress.update,
      signal: stopSignal(),
    });
    progress.end();
    if (options.json) terminal.print(JSON.stringify({ action: 'move', from: from.url, to: to.url, moved, status }, null, 2));
    else terminal.print(`${plural(moved, 'letter')} moved from ${from.url} to ${to.url}`);
    if (wasRunning) terminal.note('A message move task was running already: this is what it did.');
    if (status === 'cancelled') terminal.note('Cancelled. What was moved stays moved.');
    if (status === 'cancelled') process.exitCode = EXIT.failed;
  } finally {
    progress.end();
    client.destroy();
    toClient.destroy();
  }
}

/** A move task takes all there is, as it is, and tells nobody about each. */
function refuseWhatItCannot(options: ReplayOptions): void {
  const { dryRun, keep, to, from, force, audit, limit, rate } = options;
  const given = {
    '--dry-run': dryRun,
    '--keep': keep,
    '--to': to,
    '--from': from,
    '--force': force,
    '--audit': audit,
    '--limit': limit,
  };
  const names = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (!isOpen(filterOf(options))) names.unshift('filters');
  if (names.length > 0) {
    throw new MillraceError(
      'USAGE',
      `A message move task moves all letters as they are: --native does not go with ${names.join(', ')}.`,
      {
        fix: 'Leave --native out.',
      },
    );
  }
  if (rate !== undefined && rate > MAX_MOVES_PER_SECOND) {
    throw new MillraceError('USAGE', `SQS moves at most ${MAX_MOVES_PER_SECOND} messages a second, found --rate ${rate}.`);
  }
}
