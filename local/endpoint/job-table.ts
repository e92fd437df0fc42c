/** The jobs on disk. Statements only; the rules are in job-book.ts. */
import { DatabaseSync } from 'node:sqlite';
import { Job, type JobStatus } from './job.ts';

/** Everything of a job but its input, which can be megabytes and never changes. */
const COLUMNS = Object.keys(Job.shape).join(', ');

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 5000;
  CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    endpoint TEXT NOT NULL,
    status TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    execution_timeout_ms INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL,
    retention_ms INTEGER NOT NULL,
    worker_id TEXT,
    hand_outs INTEGER NOT NULL,
    put_backs INTEGER NOT NULL,
    started_ms INTEGER,
    seen_ms INTEGER,
    ended_ms INTEGER,
    output TEXT,
    error TEXT,
    input TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, endpoint, number);
`;

export interface JobTable {
  insert(job: Job, inputJson: string): void;
  /** Writes what can change. */
  update(job: Job): void;
  remove(id: string): void;
  find(id: string): Job | undefined;
  inputJson(id: string): string;
  /** Oldest first; of one endpoint, or of all. */
  withStatus(status: JobStatus, options?: { readonly endpoint?: string; readonly limit?: number }): Job[];
  /** Jobs whose time to live, or whose time to be remembered, has run out. */
  expired(nowMs: number): Job[];
  counts(endpoint: string): { readonly byStatus: ReadonlyMap<string, number>; readonly putBacks: number };
  close(): void;
}

export function openJobTable(file: string): JobTable {
  const database = new DatabaseSync(file);
  database.exec(SCHEMA);
  const names = Object.keys(Job.shape);
  const insert = database.prepare(
    `INSERT INTO jobs (${COLUMNS}, input) VALUES (${names.map((name) => `:${name}`).join(', ')}, :input)`,
  );
  const update = database.prepare(`UPDATE jobs SET ${names.map((name) => `${name} = :${name}`).join(', ')} WHERE id = :id`);
  const remove = database.prepare('DELETE FROM jobs WHERE id = ?');
  const find = database.prepare(`SELECT ${COLUMNS} FROM jobs WHERE id = ?`);
  const input = database.prepare('SELECT input FROM jobs WHERE id = ?');
  const withStatus = database.prepare(
    `SELECT ${COLUMNS} FROM jobs WHERE status = ? AND (? IS NULL OR endpoint = ?) ORDER BY number LIMIT ?`,
  );
  const expired = database.prepare(
    `SELECT ${COLUMNS} FROM jobs WHERE (ended_ms IS NULL AND created_ms + ttl_ms <= :now) OR ended_ms + retention_ms <= :now`,
  );
  const counts = database.prepare(
    'SELECT status, count(*) AS jobs, sum(put_backs) AS put_backs FROM jobs WHERE endpoint = ? GROUP BY status',
  );

  return {
    insert: (job, inputJson) => void insert.run({ ...job, input: inputJson }),
    update: (job) => void update.run({ ...job }),
    remove: (id) => void remove.run(id),
    find(id) {
      const row = find.get(id);
      return row === undefined ? undefined : Job.parse(row);
    },
    inputJson: (id) => String(input.get(id)?.input ?? 'null'),
    withStatus(status, { endpoint = null, limit = -1 }: { endpoint?: string | null; limit?: number } = {}) {
      return withStatus.all(status, endpoint, endpoint, limit).map((row) => Job.parse(row));
    },
    expired: (nowMs) => expired.all({ now: nowMs }).map((row) => Job.parse(row)),
    counts(endpoint) {
      const rows = counts.all(endpoint);
      return {
        byStatus: new Map(rows.map((row) => [String(row.status), Number(row.jobs)])),
        putBacks: rows.reduce((sum, row) => sum + Number(row.put_backs), 0),
      };
    },
    close: () => database.close(),
  };
}
