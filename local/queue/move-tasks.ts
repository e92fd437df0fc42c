/** The table of message move tasks. A task's progress is committed with the moves themselves, so a restart goes on exactly. */
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { MAX_LISTED_MOVE_TASKS } from './limits.ts';

const MoveTaskRow = z
  .object({
    id: z.string(),
    source_arn: z.string(),
    destination_arn: z.string().nullable(),
    max_per_second: z.number().nullable(),
    status: z.enum(['RUNNING', 'COMPLETED', 'CANCELLED', 'FAILED']),
    failure_reason: z.string().nullable(),
    last_seq: z.number(),
    to_move: z.number(),
    moved: z.number(),
    started_at_ms: z.number(),
  })
  .transform((row) => ({
    id: row.id,
    sourceArn: row.source_arn,
    destinationArn: row.destination_arn,
    maxPerSecond: row.max_per_second,
    status: row.status,
    failureReason: row.failure_reason,
    /** The latest arrival when it started: what comes later stays, or a message that fails again would go round for ever. */
    lastSeq: row.last_seq,
    toMove: row.to_move,
    moved: row.moved,
    startedAtMs: row.started_at_ms,
  }));
export type MoveTask = z.infer<typeof MoveTaskRow>;

export class MoveTasks {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  /** Forgets the oldest ended tasks of the same source. */
  insert(task: Omit<MoveTask, 'status' | 'failureReason' | 'moved'>): void {
    const { id, sourceArn, destinationArn, maxPerSecond, lastSeq, toMove, startedAtMs } = task;
    this.#statements.insert.run(id, sourceArn, destinationArn, maxPerSecond, lastSeq, toMove, startedAtMs);
    this.#statements.forget.run(sourceArn, sourceArn, MAX_LISTED_MOVE_TASKS);
  }

  byId(id: string): MoveTask | undefined {
    const row = this.#statements.byId.get(id);
    return row === undefined ? undefined : MoveTaskRow.parse(row);
  }

  running(): MoveTask[] {
    return this.#statements.running.all().map((row) => MoveTaskRow.parse(row));
  }

  /** The latest first. */
  ofSource(sourceArn: string, limit: number): MoveTask[] {
    return this.#statements.ofSource.all(sourceArn, limit).map((row) => MoveTaskRow.parse(row));
  }

  update(id: string, status: MoveTask['status'], moved: number, failureReason: string | null): void {
    this.#statements.update.run(status, moved, failureReason, id);
  }
}

function prepare(database: DatabaseSync) {
  return {
    insert: database.prepare(
      `INSERT INTO move_tasks (id, source_arn, destination_arn, max_per_second, status, last_seq, to_move, started_at_ms)
       VALUES (?, ?, ?, ?, 'RUNNING', ?, ?, ?)`,
    ),
    forget: database.prepare(
      `DELETE FROM move_tasks WHERE source_arn = ? AND seq NOT IN
         (SELECT seq FROM move_tasks WHERE source_arn = ? ORDER BY seq DESC LIMIT ?)`,
    ),
    byId: database.prepare('SELECT * FROM move_tasks WHERE id = ?'),
    running: database.prepare("SELECT * FROM move_tasks WHERE status = 'RUNNING'"),
    ofSource: database.prepare('SELECT * FROM move_tasks WHERE source_arn = ? ORDER BY seq DESC LIMIT ?'),
    update: database.prepare('UPDATE move_tasks SET status = ?, moved = ?, failure_reason = ? WHERE id = ?'),
  };
}
