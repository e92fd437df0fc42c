import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { parsePastedText } from '../../consumers/notifications/pasted-text.ts';
import type { ObjectEvent } from '../../consumers/object-event.ts';
import { MillraceError } from '../../errors.ts';
import { EXIT } from '../exit-codes.ts';
import { createTerminal } from '../terminal.ts';

/** Queues take messages of a few hundred kilobytes, and answer with a hundred of them at most. */
const MAX_BYTES = 16 * 1024 * 1024;

export function addDecode(program: Command): void {
  program
    .command('decode')
    .description('Print what a bucket notification says: one line of JSON per record. Needs no environment and calls nothing.')
    .argument('[file]', 'a message, or what a queue answered with messages in it; - for standard input', '-')
    .addHelpText(
      'after',
      `
Reads notifications of S3 (directly, through SNS or EventBridge), MinIO, Ceph, R2 and Cloud Storage, whichever it is, and the
answers of SQS, Cloudflare Queues and Pub/Sub that carry them. Lines say created, removed, or ignored with a reason.
Exits ${EXIT.data} where there is no notification, or one that cannot be read: the reason is on stderr.

Examples:
  $ millrace decode message.json
  $ aws sqs receive-message --queue-url "$QUEUE" | millrace decode
  $ gcloud pubsub subscriptions pull my-sub --format=json | millrace decode | jq -r .key`,
    )
    .action(async (file: string) => {
      const terminal = createTerminal(process.stdout, process.stderr);
      if (file === '-' && process.stdin.isTTY) terminal.note('Paste a message, then press Ctrl-D.');
      const messages = parsePastedText(await readText(file));
      const failures = [];
      for (const { where, parsed } of messages) {
        if (parsed.kind === 'events') for (const event of parsed.events) terminal.print(JSON.stringify(decodedLine(event)));
        else if (parsed.kind === 'ignored') terminal.print(JSON.stringify(parsed));
        else failures.push({ where, error: parsed.error });
      }
      const [first] = failures;
      if (first === undefined) return;
      if (messages.length === 1) throw first.error;
      for (const { where, error } of failures) terminal.note(`${where}: ${error.message} (${error.code})`);
      throw new MillraceError(first.error.code, `${failures.length} of ${messages.length} messages cannot be read`);
    });
}

/** What is printed of one record. A field is absent where it is not known. */
export function decodedLine(event: ObjectEvent) {
  const { kind, source, bucket, key, etag, sizeBytes, versionId, generation, sequencer, timeMs, via } = event;
  if (kind === 'other') return { kind: 'ignored', reason: event.reason };
  return {
    kind,
    source,
    bucket,
    key,
    etag,
    size_bytes: sizeBytes,
    version_id: versionId,
    generation,
    sequencer,
    time: timeMs === undefined ? undefined : new Date(timeMs).toISOString(),
    via,
  };
}

async function readText(file: string): Promise<string> {
  const bytes = await readBytes(file === '-' ? process.stdin : createReadStream(file), file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new MillraceError('MESSAGE_NOT_JSON', `${nameOf(file)} is not UTF-8 text`, { cause });
  }
}

async function readBytes(stream: Readable, file: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(chunk);
      length += chunk.length;
      // Leaving the loop closes the stream: the rest is never read.
      if (length > MAX_BYTES) break;
    }
  } catch (cause) {
    throw new MillraceError('USAGE', `${nameOf(file)} cannot be read`, {
      cause,
      fix: 'Name a file that is there, or - for standard input.',
    });
  }
  if (length <= MAX_BYTES) return Buffer.concat(chunks);
  throw new MillraceError(
    'MESSAGE_NOT_NOTIFICATION',
    `${nameOf(file)} has more than ${MAX_BYTES} bytes, which no queue hands out`,
    {
      fix: 'Decode one message, or one answer of a queue, at a time.',
    },
  );
}

function nameOf(file: string): string {
  return file === '-' ? 'standard input' : file;
}
