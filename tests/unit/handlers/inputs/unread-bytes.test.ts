import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { unreadBytes, unreadIn } from '../../../../handlers/inputs/unread-bytes.ts';

/** Bounds a hang: the default of a second is over before a busy machine has begun. */
const SLOW_MACHINE = { timeout: 20_000 };

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:A2C4 01 00008000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 0 10 -1
   2: 0100007F:A2C4 0100007F:1F90 01 00000000:00010001 00:00000000 00000000     0        0 3 1 0 20 4 0 10 -1
`;

test('is read from the line of the reader', () => {
  expect(unreadIn(TABLE, { senderPort: 0x1f90, readerPort: 0xa2c4 })).toBe(0x10001);
  expect(unreadIn(TABLE, { senderPort: 0xa2c4, readerPort: 0x1f90 })).toBe(0);
  expect(unreadIn(TABLE, { senderPort: 0x1f90, readerPort: 0xa2c5 })).toBeUndefined();
  expect(unreadIn('', { senderPort: 1, readerPort: 2 })).toBeUndefined();
});

test.skipIf(process.platform !== 'linux')(
  'is what the kernel says of a real connection, before and after it is read',
  async () => {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const sender = connect({ port, host: '127.0.0.1' });
    const [reader] = (await once(server, 'connection')) as [Socket];
    try {
      const connection = { senderPort: sender.localPort ?? 0, readerPort: port };
      sender.write(Buffer.alloc(5000));
      await vi.waitFor(async () => expect(await unreadBytes(connection)).toBe(5000), SLOW_MACHINE);
      reader.resume();
      await vi.waitFor(async () => expect(await unreadBytes(connection)).toBe(0), SLOW_MACHINE);
    } finally {
      sender.destroy();
      reader.destroy();
      server.close();
    }
  },
);
