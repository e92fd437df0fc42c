import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import type { RunTask } from '../../../handlers/task.ts';
import { silentLogger } from '../../../log.ts';
import { runTestInput } from '../../../runpod/test-input.ts';

const options = { log: silentLogger, signal: new AbortController().signal };
const echo: RunTask = async (input, scope) => ({
  kind: 'succeeded',
  output: { statusCode: 200, body: 'ok', input, id: scope.requestId },
});

describe('runTestInput', () => {
  it('answers with the line that RunPod would have been sent', async () => {
    const { answerLine, exitCode } = await runTestInput('{"input":{"task":"PING"}}', echo, options);
    expect(exitCode).toBe(0);
    expect(answerLine).not.toContain('\n');
    expect(JSON.parse(answerLine).output).toMatchObject({ input: { task: 'PING' }, id: 'local_test' });
  });

  it('uses the id that the file names', async () => {
    const { answerLine } = await runTestInput('{"id":"mine","input":{}}', echo, options);
    expect(JSON.parse(answerLine).output.id).toBe('mine');
  });

  it('ends with 1 when the task fails', async () => {
    const fail: RunTask = async () => ({ kind: 'failed', error: new MillraceError('TASK_UNKNOWN', 'no such task') });
    const { answerLine, exitCode } = await runTestInput('{"input":{}}', fail, options);
    expect(exitCode).toBe(1);
    expect(JSON.parse(JSON.parse(answerLine).error).code).toBe('TASK_UNKNOWN');
  });

  it.each(['{', '[]', '{"task":"PING"}', '{"input":"text"}'])('ends with 2 for %j', async (text) => {
    const { answerLine, exitCode } = await runTestInput(text, echo, options);
    expect(exitCode).toBe(2);
    expect(JSON.parse(JSON.parse(answerLine).error).code).toBe('USAGE');
  });
});
