/** The embedded Cloudflare queue in a process of its own, to be killed: `node cloudflare-process.ts <data folder>` prints its queue's URL. */
import { startCloudflareQueue } from '../../../local/cloudflare-queue/cloudflare-queue.ts';
import { createLogger } from '../../../log.ts';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('which folder?');
const log = createLogger({ level: 'warn', name: 'cloudflare-process' });
const queues = [{ name: 'work' }];
const queue = await startCloudflareQueue({ dataDir, port: 0, accountId: 'account', token: 'local-token', queues, log });
process.stdout.write(`${queue.urlOf('work')}\n`);
