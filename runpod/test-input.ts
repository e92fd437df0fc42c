/** One job with no RunPod at all: `--test_input '<json>'` or a `test_input.json`, as RunPod's own workers take it. */
import { z } from 'zod';
import { MillraceError } from '../errors.ts';
import { logFieldsOf } from '../handlers/log-fields.ts';
import type { RunTask, TaskAnswer } from '../handlers/task.ts';
import type { Logger } from '../log.ts';
import { answerBody } from './answer.ts';
import { parseJsonText } from './json-text.ts';

const TestInput = z.object({ id: z.string().min(1).default('local_test'), input: z.record(z.string(), z.unknown()) });

export interface TestInputAnswer {
  /** One line of JSON: what would have been posted to RunPod. */
  readonly answerLine: string;
  /** 0 succeeded, 1 failed, 2 the JSON is no job. */
  readonly exitCode: 0 | 1 | 2;
}

/** Runs `{"input": {task, parameters}, "id"?}`. Never throws. */
export async function runTestInput(
  jsonText: string,
  run: RunTask,
  options: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<TestInputAnswer> {
  const job = TestInput.safeParse(parseJsonText(jsonText));
  if (!job.success) {
    const error = new MillraceError('USAGE', 'The test input is no JSON object with an "input" object in it.', {
      fix: 'Give {"input": {"task": "PING", "parameters": {}}}, for example.',
    });
    return { answerLine: answerBody({ kind: 'failed', error }), exitCode: 2 };
  }
  const { id, input } = job.data;
  const log = options.log.child({ requestId: id, ...logFieldsOf(input) });
  const progress = ({ percent }: { readonly percent: number }) => log.info({ percent }, 'Progress.');
  const answer: TaskAnswer = await run(input, { requestId: id, workerId: 'local', signal: options.signal, progress, log });
  return { answerLine: answerBody(answer), exitCode: answer.kind === 'succeeded' ? 0 : 1 };
}
