import { expect, test } from 'vitest';
import { failureLines, keptLines } from '../../../../cli/demo/ending.ts';
import { MillraceError } from '../../../../errors.ts';

const plain = { style: (_: unknown, text: string) => text };

test('failureLines name the reason, what is missing and the end of the log', () => {
  const log = { path: '/data/demo.log', tail: () => ['{"level":"error"}'] };
  const lines = failureLines(new MillraceError('STORE_UNREACHABLE', 'no answer'), ['demo-talk encoding/0: waiting'], log, plain);

  expect(lines).toEqual([
    '',
    'no answer (STORE_UNREACHABLE)',
    'Still missing:',
    '  demo-talk encoding/0: waiting',
    'The end of /data/demo.log:',
    '  {"level":"error"}',
  ]);
});

test('keptLines quote a folder that a shell would split', () => {
  const bucket = { name: 'videos', endpoint: 'http://127.0.0.1:1', region: '', accessKeyId: '', secretAccessKey: '' };
  const queue = { kind: 'sqs', url: '', deadLetterUrl: '', endpoint: '' } as const;
  const description = { bucket, queue, runpod: { url: 'u', apiKey: 'k' }, api: { url: 'a', token: 't' } };

  const text = keptLines(description, "my demo's").join('\n');
  expect(text).toContain(`MILLRACE_DATA='my demo'\\''s' npx millrace status demo-talk`);
  expect(text).toContain('API     a  open it in a browser; the token t signs you in');
});
