/**
 * How much of what arrived on a loopback connection still waits for its reader. Both of its ends are on this machine, so the kernel's
 * table of connections tells.
 */
import { readFile } from 'node:fs/promises';

export interface Connection {
  /** Ports on 127.0.0.1. */
  readonly senderPort: number;
  readonly readerPort: number;
}

const TABLE = '/proc/net/tcp';
const LOOPBACK = '0100007F';

/** `undefined` where the system has no such table (it is Linux's), or the connection is not in it any more. Takes some milliseconds. */
export async function unreadBytes(connection: Connection): Promise<number | undefined> {
  const table = await readFile(TABLE, 'latin1').catch(() => undefined);
  return table === undefined ? undefined : unreadIn(table, connection);
}

/**
 * The reader's end is a line like ` 1: 0100007F:A2C4 0100007F:1F90 01 00000000:00000200 …`: own address, other address, state, bytes to
 * send, bytes to read. What the sender still keeps says less: it is acknowledged up to 40 ms after it was read.
 */
export function unreadIn(table: string, { senderPort, readerPort }: Connection): number | undefined {
  const line = ` ${LOOPBACK}:${hex(readerPort)} ${LOOPBACK}:${hex(senderPort)} `;
  const at = table.indexOf(line);
  if (at === -1) return undefined;
  const [, toRead] = /^\w+ \w+:(\w+) /.exec(table.slice(at + line.length, at + line.length + 32)) ?? [];
  return toRead === undefined ? undefined : Number.parseInt(toRead, 16);
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
