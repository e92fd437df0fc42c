/** The embedded queue in a process of its own, to be killed: `node queue-process.ts <data folder>` prints its endpoint. */

import { startQueue } from '../../../../local/queue/queue.ts';
import { createLogger } from '../../../../log.ts';
import { CREDENTIALS, REGION } from './client.ts';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('which folder?');
const log = createLogger({ level: 'warn', name: 'queue-process' });
const queue = await startQueue({ dataDir, port: 0, region: REGION, ...CREDENTIALS, log });
process.stdout.write(`${queue.endpoint}\n`);
