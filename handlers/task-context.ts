/** What one running task works with. */
import type { Logger } from '../log.ts';
import type { RunContext } from '../manifests/run-context.ts';
import type { Trace } from '../trace.ts';
import type { MasterCache } from './audio-master-cache.ts';
import type { MasterFacts } from './audio-master-facts.ts';
import type { Capabilities } from './ffmpeg/capabilities.ts';
import type { Tools } from './ffmpeg/locate.ts';
import type { GpuSession } from './gpu-session.ts';
import type { OpenInput } from './inputs/open-input.ts';
import type { Media } from './media.ts';
import type { Destination, DestinationParameters } from './outputs/destination.ts';
import type { UploadBody } from './outputs/presigned-put.ts';
import type { ItemOutcome } from './results.ts';
import type { Workspace } from './workspace.ts';

export interface TaskContext {
  readonly tools: Tools;
  /** Found out once per worker. */
  readonly capabilities: () => Promise<Capabilities>;
  /** One per worker. */
  readonly gpu: GpuSession;
  readonly media: Media;
  /** Shared by all tasks of the worker. */
  readonly masters: MasterCache;
  /** What is known of masters that were seen before. */
  readonly masterFacts: MasterFacts;
  /** `etag` is what the run was planned with. `shared`: other tasks will read the same, and what this one reads is kept for them. */
  readonly openInput: (
    uri: string,
    etag: string | null | undefined,
    options?: { readonly shared: boolean },
  ) => Promise<OpenInput>;
  /** Throws DESTINATION_REFUSED where nothing can be written there. */
  readonly destination: (parameters: DestinationParameters) => Destination;
  readonly upload: (destination: Destination, body: UploadBody) => Promise<void>;
  /** Writes the result object of one item of a batch; a task with one item has it written for it. */
  readonly settle: (item: RunContext | undefined, outcome: ItemOutcome, startedAtMs: number) => Promise<void>;
  readonly workspace: Workspace;
  readonly fontsDir: string;
  /** Kept between tasks: looking through the system's fonts takes seconds. */
  readonly fontCacheDir: string;
  /** Aborted when the work is stopped or its time limit is reached. */
  readonly signal: AbortSignal;
  /** Aborted only when the work is stopped: nothing may be written after that. */
  readonly stopped: AbortSignal;
  readonly progress: (percent: number, speed?: number) => void;
  readonly now: () => number;
  readonly log: Logger;
  readonly trace: Trace;
}

/** One ETag of `millrace.input_etags`: of the parameter, or of its entry `index` where it is a list. */
export function plannedEtag(item: RunContext | undefined, parameter: string, index = 0): string | null | undefined {
  const etags = item?.input_etags?.[parameter];
  return typeof etags === 'object' && etags !== null ? etags[index] : etags;
}

/** Milliseconds are all that a reader of measurements can use. */
export function roundedSeconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
