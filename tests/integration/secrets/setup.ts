/**
 * For every test file, while a run is recorded: log lines of loggers that write elsewhere than to stderr, or nowhere; every MillraceError that
 * is made; every answer of a task runner. See `recorder-process.ts` for the rest.
 */
import { pino } from 'pino';
import { expect, vi } from 'vitest';
import { silentLogger } from '../../../log.ts';
import { RECORDER, type Recorder } from './records.ts';

// Hoisted: modules that are replaced below are asked for before the rest of this file has run.
const { isRecorded, record } = vi.hoisted(() => {
  const recorder = (globalThis as { [RECORDER]?: Recorder })[Symbol.for('millrace.test-recorder') as typeof RECORDER];
  /**
   * Suites that make secrets up and put them where they may not be, to see them taken out again. Of these only what comes out at the
   * end is searched: not the errors that they make.
   */
  const makersOfCanaries = /\/unit\/(errors|log|runpod\/answer)\.test\.ts$/;
  return {
    isRecorded: recorder !== undefined,
    record(kind: string, text: string): void {
      const { testPath = '', currentTestName = '' } = expect.getState();
      if (kind === 'error' && makersOfCanaries.test(testPath)) return;
      recorder?.({ kind, source: testPath, about: currentTestName, text });
    },
  };
});

if (isRecorded) recordLogs();

vi.mock(import('../../../errors.ts'), async (original) => {
  const actual = await original();
  if (!isRecorded) return actual;
  const recorded = <Made extends InstanceType<typeof actual.MillraceError>>(error: Made): Made => {
    const { code, message, fix, context } = error;
    record('error', JSON.stringify({ code, message, fix, context }));
    return error;
  };
  const MillraceError: typeof actual.MillraceError = new Proxy(actual.MillraceError, {
    construct: (target, args, newTarget) =>
      recorded(Reflect.construct(target, args, newTarget === MillraceError ? target : newTarget)),
  });
  return { ...actual, MillraceError, asMillraceError: (...args) => recorded(actual.asMillraceError(...args)) };
});

vi.mock(import('../../../handlers/run-task.ts'), async (original) => {
  const actual = await original();
  if (!isRecorded) return actual;
  return {
    ...actual,
    createTaskRunner(options) {
      const runner = actual.createTaskRunner(options);
      return {
        ...runner,
        async run(...args) {
          const answer = await runner.run(...args);
          record('answer', JSON.stringify(answer));
          return answer;
        },
      };
    },
  };
});

type Prototype = Record<symbol, (...args: unknown[]) => string>;

/** Every line passes here on its way, whichever stream it is for. Silent loggers are made to speak, to nobody. */
function recordLogs(): void {
  const { asJsonSym, streamSym } = pino.symbols as unknown as Record<string, symbol>;
  if (asJsonSym === undefined || streamSym === undefined) throw new Error('pino no longer has its symbols');
  Object.assign(silentLogger, { [streamSym]: { write: () => true } });
  silentLogger.level = 'trace';
  let prototype = Object.getPrototypeOf(silentLogger) as Prototype;
  while (!Object.hasOwn(prototype, asJsonSym)) prototype = Object.getPrototypeOf(prototype);
  const original = prototype[asJsonSym];
  if (original === undefined) throw new Error('pino no longer makes its lines there');
  // A file before this one in the same process has seen to it.
  if (original.name === 'recordedLine') return;
  prototype[asJsonSym] = function recordedLine(...args) {
    const line = original.apply(this, args);
    record('log', line.trimEnd());
    return line;
  };
}
