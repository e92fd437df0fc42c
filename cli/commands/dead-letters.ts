import type { Command } from 'commander';
import { addFilterOptions } from '../dead-letters/filter-options.ts';
import { type LookOptions, listLetters, showLetters } from '../dead-letters/list.ts';
import { moveNatively } from '../dead-letters/native.ts';
import { type DiscardOptions, discardLetters, type ReplayOptions, replayLetters } from '../dead-letters/run.ts';
import { EXIT } from '../exit-codes.ts';
import { wholeNumber } from '../number-argument.ts';
import { openSession } from '../session.ts';

/** A letter that failed after three more chances fails for a reason of its own. */
export const MAX_REPLAYS_BEFORE_QUARANTINE = 3;
const MAX_REPLAYS = 1_000;
const MAX_RATE = 10_000;

export function addDeadLetters(program: Command): void {
  const command = program
    .command('dead-letters')
    .description('See, send again or discard the messages that no consumer could settle.')
    .addHelpText(
      'after',
      `
Works with the queue that MILLRACE_DEAD_LETTER_QUEUE_URL names: SQS, Cloudflare Queues or Pub/Sub.

Examples:
  $ millrace dead-letters list
  $ millrace dead-letters show 5fea7756-0ea4-451a-a703-a558b933e274
  $ millrace dead-letters replay --job talk-1 --dry-run
  $ millrace dead-letters discard --reason MESSAGE_NOT_JSON`,
    );
  addList(command);
  addShow(command);
  addReplay(command);
  addDiscard(command);
}

function addList(command: Command): void {
  withMaxReplays(addFilterOptions(command.command('list')))
    .description('Count the dead letters by reason, job and stage. Changes nothing.')
    .option('--each', 'every letter on a line of its own')
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  $ millrace dead-letters list --since 2d\n  $ millrace dead-letters list --each --grep segment_7',
    )
    .action(async (options: LookOptions) => {
      const { config, terminal } = openSession('dead-letters');
      await listLetters(config, terminal, options);
    });
}

function addShow(command: Command): void {
  withMaxReplays(command.command('show'))
    .description('Show letters whole: reason, events, attributes and body. Changes nothing.')
    .argument('<ids...>', "the letters' ids, as list prints them")
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `\nExits ${EXIT.failed} where one of them is not there.\n\nExample:\n  $ millrace dead-letters show 5fea7756-0ea4-451a-a703-a558b933e274`,
    )
    .action(async (id: string[], options: LookOptions) => {
      const { config, terminal } = openSession('dead-letters');
      await showLetters(config, terminal, { ...options, id: [...new Set(id)] });
    });
}

function addReplay(command: Command): void {
  withMaxReplays(withRunOptions(addFilterOptions(command.command('replay'))))
    .description('Send letters to their queue again, then remove them. All of them, unless a filter says which.')
    .option('--keep', 'copy: leave the letters where they are')
    .option('--to <file>', 'save them to a file instead of the queue')
    .option('--from <file>', 'send the letters of such a file')
    .option('--force', 'send what is in quarantine, or was copied before, all the same')
    .option('--native', "leave it to SQS's own message move task: all letters, uncounted, and no audit for each")
    .addHelpText(
      'after',
      `
A letter carries how often it was sent again; at --max-replays it is in quarantine and stays. Every step is in the audit
file. A command that was killed goes on where it ended when it is called again; the few letters that it had just sent may
be sent twice. Exits ${EXIT.failed} where a letter failed, or the command was stopped.

Examples:
  $ millrace dead-letters replay --reason MAX_RECEIVES --since 6h --rate 20
  $ millrace dead-letters replay --job talk-1 --to talk-1.jsonl --keep
  $ millrace dead-letters replay --from talk-1.jsonl`,
    )
    .action(async ({ native, ...options }: ReplayOptions & { native?: true }) => {
      const { config, terminal } = openSession('dead-letters');
      if (native) await moveNatively(config, terminal, options);
      else await replayLetters(config, terminal, options);
    });
}

function addDiscard(command: Command): void {
  withRunOptions(addFilterOptions(command.command('discard')))
    .description('Delete letters for good.')
    .option('--all', 'all of them: needed where no filter says which')
    .addHelpText(
      'after',
      '\nExamples:\n  $ millrace dead-letters discard --reason MESSAGE_NOT_JSON --dry-run\n  $ millrace dead-letters discard --all',
    )
    .action(async (options: DiscardOptions) => {
      const { config, terminal } = openSession('dead-letters');
      await discardLetters(config, terminal, options);
    });
}

function withRunOptions(command: Command): Command {
  return command
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--rate <n>', 'no more than n letters a second', wholeNumber(1, MAX_RATE))
    .option('--audit <file>', 'where every step is written down; dead-letters/audit.jsonl in MILLRACE_DATA unless given')
    .option('--json', 'what was done as one JSON document');
}

function withMaxReplays(command: Command): Command {
  return command.option(
    '--max-replays <n>',
    'a letter that was sent again so often is in quarantine',
    wholeNumber(1, MAX_REPLAYS),
    MAX_REPLAYS_BEFORE_QUARANTINE,
  );
}
