/**
 * Logging. One JSON line an event, on stderr, in the field names that RunPod's log viewer reads
 * (`level`, `message`, `requestId`). Loggers are scoped with `child({ job, stage, item, attempt })`, so that
 * every line about an item says which one.
 */
import { destination, type Logger as PinoLogger, pino, stdSerializers } from 'pino';
import { MillraceError, withoutSecrets } from './errors.ts';

export type Logger = PinoLogger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Which program writes: `consumer`, `worker`, … */
  readonly name: string;
  /** Where lines go; stderr unless told, because stdout is for data. */
  readonly stream?: { write(line: string): void };
}

export function createLogger({ level, name, stream }: LoggerOptions): Logger {
  return pino(
    {
      level,
      messageKey: 'message',
      base: { name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: serializeError, err: serializeError },
    },
    stream ?? destination({ dest: 2, sync: true }),
  );
}

/** A logger that writes nothing, for callers that have none to give. */
export const silentLogger: Logger = pino({ level: 'silent' });

function serializeError(thrown: unknown): unknown {
  if (thrown instanceof MillraceError) {
    return {
      code: thrown.code,
      message: withoutSecrets(thrown.message),
      retryable: thrown.retryable,
      ...(thrown.fix === undefined ? {} : { fix: thrown.fix }),
      ...thrown.context,
      ...(thrown.cause instanceof Error ? { cause: withoutSecrets(thrown.cause.message) } : {}),
    };
  }
  if (!(thrown instanceof Error)) return { message: withoutSecrets(String(thrown)) };
  const { type, message, stack } = stdSerializers.err(thrown);
  return { type, message: withoutSecrets(message), stack: withoutSecrets(stack) };
}
