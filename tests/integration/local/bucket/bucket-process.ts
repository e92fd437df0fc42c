/**
 * The bucket in a process of its own, which tests can kill: `node bucket-process.ts <data folder> <queue's URL>`. Tells its parent
 * where it listens, and how much memory it holds when asked.
 */
import { startBucket } from '../../../../local/bucket/bucket.ts';
import { silentLogger } from '../../../../log.ts';

const [dataDir = '', queueUrl = ''] = process.argv.slice(2);

const bucket = await startBucket({
  dataDir,
  port: 0,
  region: 'us-east-1',
  accessKeyId: 'access',
  secretAccessKey: 'secret',
  buckets: ['videos'],
  deliver: async (_, body) => {
    const answer = await fetch(queueUrl, { method: 'POST', body });
    if (!answer.ok) throw new Error(`the queue answered ${answer.status}`);
  },
  log: silentLogger,
});

process.on('message', (message) => {
  if (message === 'memory') process.send?.({ residentBytes: process.memoryUsage.rss() });
  if (message === 'idle') void bucket.idle().then(() => process.send?.({ idle: true }));
});
process.on('disconnect', () => process.exit());
process.send?.({ endpoint: bucket.endpoint });
