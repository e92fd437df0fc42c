/** Gives a task what it works with, and takes it away again however the task ends. */

import { audioTrim } from './audio-trim.ts';
import { concatenate } from './concatenation.ts';
import { createDeadline } from './deadline.ts';
import { downsample } from './downsampling.ts';
import { encode } from './encoding.ts';
import { stopReason } from './ffmpeg/run.ts';
import type { InputMemory } from './inputs/chunk-memory.ts';
import type { Gateway } from './inputs/gateway.ts';
import { openInput } from './inputs/open-input.ts';
import { resolveSource, type SourceOptions } from './inputs/resolve-source.ts';
import { joinChunks } from './join-chunks.ts';
import { createMedia } from './media.ts';
import { destinationOf } from './outputs/destination.ts';
import { upload } from './outputs/upload.ts';
import type { ParsedTask } from './parse-task.ts';
import { ping } from './ping.ts';
import { withoutSignature } from './presigned-url.ts';
import type { RetryPolicy } from './retry.ts';
import { stageObject } from './stage-object.ts';
import type { TaskOutput, TaskScope } from './task.ts';
import type { TaskContext } from './task-context.ts';
import { createWorkspace } from './workspace.ts';

/** What a worker has once, for all its tasks. */
export interface WorkerParts
  extends Pick<
      TaskContext,
      'tools' | 'capabilities' | 'gpu' | 'masters' | 'masterFacts' | 'fontsDir' | 'fontCacheDir' | 'now' | 'trace'
    >,
    SourceOptions {
  readonly gateway: Gateway;
  readonly inputMemory: InputMemory;
  readonly workDir: string;
  readonly timeLimitSeconds: number;
  /** Of one task's files. */
  readonly diskQuotaBytes: number;
  readonly retry: RetryPolicy;
  readonly chunkTimeLimitMs: number;
}

export type ScopeParts = Pick<TaskContext, 'settle' | 'log'> & Pick<TaskScope, 'signal' | 'progress'>;

/**
 * Throws what the task throws; TIME_LIMIT past the limit, DISK_FULL past the quota and CANCELLED once stopped, whatever broke because
 * of that.
 */
export async function performTask(parsed: ParsedTask, worker: WorkerParts, scope: ScopeParts): Promise<TaskOutput> {
  if (scope.signal.aborted) throw stopReason(scope.signal);
  const { fetch, gateway, now, retry, chunkTimeLimitMs, diskQuotaBytes: quotaBytes, storeFor, tools, trace } = worker;
  const workspace = await createWorkspace({ workDir: worker.workDir, quotaBytes });
  const deadline = createDeadline(worker.timeLimitSeconds);
  // Ends what still runs in the background when the task ends: chunks that were fetched ahead.
  const finished = new AbortController();
  const signal = AbortSignal.any([scope.signal, deadline.signal, workspace.full, finished.signal]);
  let bytesRead = 0;
  /** Up to what the bytes have been shared out among the items of a batch. */
  let bytesShared = 0;
  let inputs = 0;
  const context: TaskContext = {
    ...worker,
    ...{ log: scope.log, workspace, signal, stopped: scope.signal },
    settle(item, outcome, startedAtMs) {
      const bytes = bytesRead - bytesShared;
      bytesShared = bytesRead;
      const measured = outcome.kind === 'failed' ? outcome : { ...outcome, output: { ...outcome.output, bytes_read: bytes } };
      return scope.settle(item, measured, startedAtMs);
    },
    media: createMedia({ tools, gateway, signal, trace }),
    progress: (percent, speed) => scope.progress({ percent, ...(speed === undefined ? {} : { speed }) }),
    destination: (parameters) => destinationOf(parameters, storeFor),
    async upload(destination, body) {
      await workspace.check();
      const attributes = { 'millrace.bytes': body.sizeBytes };
      await trace.span('upload', { kind: 'client', attributes }, () => upload(destination, body, { fetch, signal, now, retry }));
    },
    openInput: async (uri, etag, { shared } = { shared: false }) => {
      const spoolFile = workspace.path(`input_${inputs++}`);
      const onBytes = (count: number) => {
        bytesRead += count;
      };
      // Two signatures of one object are one input.
      const memoryOf = (found: string, totalBytes: number) =>
        worker.inputMemory.chunksOf(JSON.stringify([withoutSignature(uri), found, totalBytes]));
      // Opened only: ffmpeg reads the rest through the gateway, as it needs it.
      return trace.span('open input', { kind: 'client' }, async (span) => {
        const input = await openInput(resolveSource(uri, worker), {
          ...(shared ? { memoryOf } : {}),
          ...{ etag: etag ?? undefined, spoolFile, spoolQuotaBytes: quotaBytes, signal, onBytes, retry, chunkTimeLimitMs },
        });
        span.set({ 'millrace.bytes': input.totalBytes });
        return input;
      });
    },
  };
  try {
    return { ...(await dispatch(parsed, context)), bytes_read: bytesRead };
  } catch (thrown) {
    throw signal.aborted ? stopReason(signal) : thrown;
  } finally {
    finished.abort();
    deadline.clear();
    await workspace.remove();
  }
}

function dispatch(parsed: ParsedTask, context: TaskContext): Promise<TaskOutput> {
  switch (parsed.task) {
    case 'STAGE_OBJECT':
      return stageObject(parsed.parameters, context);
    case 'AUDIO_TRIM':
      return audioTrim(parsed.parameters, context);
    case 'DOWNSAMPLING':
      return downsample(parsed.parameters, context);
    case 'ENCODING':
      return encode(parsed.parameters, context);
    case 'CONCATENATION':
      return concatenate(parsed.parameters, context);
    case 'JOIN_CHUNKS':
      return joinChunks(parsed.parameters, context);
    case 'PING':
      return ping(context);
  }
}
