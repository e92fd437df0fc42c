/** The table of queues. */
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { type QueueSettings, type SetAttributes, settingsOf } from './queue-attributes.ts';

const TextMap = z.record(z.string(), z.string());
const jsonText = z.string().transform((text): unknown => JSON.parse(text));

const QueueRow = z
  .object({
    id: z.number(),
    uid: z.string(),
    name: z.string(),
    attributes: jsonText.pipe(TextMap),
    tags: jsonText.pipe(TextMap),
    created_at_ms: z.number(),
    modified_at_ms: z.number(),
    purged_at_ms: z.number().nullable(),
  })
  .transform((row) => ({
    id: row.id,
    /** Tells it from an earlier or later queue of the same name. */
    uid: row.uid,
    name: row.name,
    attributes: row.attributes,
    settings: settingsOf(row.attributes),
    tags: row.tags,
    createdAtMs: row.created_at_ms,
    modifiedAtMs: row.modified_at_ms,
    purgedAtMs: row.purged_at_ms,
  }));

export interface Queue {
  readonly id: number;
  readonly uid: string;
  readonly name: string;
  readonly attributes: SetAttributes;
  readonly settings: QueueSettings;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly purgedAtMs: number | null;
}

export class Queues {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  create(queue: { uid: string; name: string; attributes: SetAttributes; tags: Record<string, string>; nowMs: number }): void {
    const { uid, name, attributes, tags, nowMs } = queue;
    this.#statements.insert.run(uid, name, JSON.stringify(attributes), JSON.stringify(tags), nowMs, nowMs);
  }

  byName(name: string): Queue | undefined {
    const row = this.#statements.byName.get(name);
    return row === undefined ? undefined : QueueRow.parse(row);
  }

  byId(id: number): Queue | undefined {
    const row = this.#statements.byId.get(id);
    return row === undefined ? undefined : QueueRow.parse(row);
  }

  /** In order of name, those behind `after`. */
  page(prefix: string, after: string, limit: number): Queue[] {
    return this.#statements.page.all(after, prefix.length, prefix, limit).map((row) => QueueRow.parse(row));
  }

  all(): Queue[] {
    return this.#statements.all.all().map((row) => QueueRow.parse(row));
  }

  setAttributes(id: number, attributes: SetAttributes, nowMs: number): void {
    this.#statements.setAttributes.run(JSON.stringify(attributes), nowMs, id);
  }

  setTags(id: number, tags: Readonly<Record<string, string>>): void {
    this.#statements.setTags.run(JSON.stringify(tags), id);
  }

  setPurged(id: number, nowMs: number): void {
    this.#statements.setPurged.run(nowMs, id);
  }

  /** With its messages. */
  delete(id: number): void {
    this.#statements.delete.run(id);
  }
}

function prepare(database: DatabaseSync) {
  return {
    insert: database.prepare(
      'INSERT INTO queues (uid, name, attributes, tags, created_at_ms, modified_at_ms) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    byName: database.prepare('SELECT * FROM queues WHERE name = ?'),
    byId: database.prepare('SELECT * FROM queues WHERE id = ?'),
    page: database.prepare('SELECT * FROM queues WHERE name > ? AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?'),
    all: database.prepare('SELECT * FROM queues ORDER BY name'),
    setAttributes: database.prepare('UPDATE queues SET attributes = ?, modified_at_ms = ? WHERE id = ?'),
    setTags: database.prepare('UPDATE queues SET tags = ? WHERE id = ?'),
    setPurged: database.prepare('UPDATE queues SET purged_at_ms = ? WHERE id = ?'),
    delete: database.prepare('DELETE FROM queues WHERE id = ?'),
  };
}
