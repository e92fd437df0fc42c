/** Resumable uploads under way. They are kept in memory: a restart ends them, and their clients begin again. */
import { randomUUID } from 'node:crypto';
import type { ObjectFiles } from '../files.ts';
import type { StoredObject } from '../objects.ts';
import type { Described } from './described.ts';
import { Arrived } from './receive.ts';

export interface UploadSession {
  readonly id: string;
  readonly bucket: string;
  readonly described: Described;
  readonly path: string;
  readonly arrived: Arrived;
  /** Settles when the last request that came is done: one at a time may write. */
  turn: Promise<unknown>;
  /** Set once complete: whoever lost that answer asks again. */
  object: StoredObject | undefined;
}

/** The oldest is forgotten beyond: clients that go away leave theirs behind. */
const MAX_SESSIONS = 1000;

export class UploadSessions {
  readonly #files: ObjectFiles;
  readonly #sessions = new Map<string, UploadSession>();

  constructor(files: ObjectFiles) {
    this.#files = files;
  }

  open(bucket: string, described: Described): UploadSession {
    const path = this.#files.newIncoming();
    const session: UploadSession = {
      id: randomUUID(),
      bucket,
      described,
      path,
      arrived: new Arrived(),
      turn: Promise.resolve(),
      object: undefined,
    };
    this.#sessions.set(session.id, session);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > MAX_SESSIONS && oldest !== undefined) this.end(oldest);
    return session;
  }

  find(id: string): UploadSession | undefined {
    return this.#sessions.get(id);
  }

  end(id: string): void {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    if (session !== undefined && session.object === undefined) this.#files.discard(session.path);
  }
}
