/** What a user does. */
import type { Folder } from './job-shape.ts';
import type { Random } from './random.ts';

export interface Act {
  readonly says: string;
  /** Relative to the job's folder. */
  readonly key: string;
  /** `null` deletes. */
  readonly body: string | null;
}

export interface ActScope {
  readonly random: Random;
  readonly folder: Folder;
}
