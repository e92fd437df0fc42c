/**
 * Bucket and queue in a process of their own: `node bucket-and-queue-process.ts <data folder>` prints, as one line of JSON, what a
 * consumer needs of them. The stack's own RunPod endpoint idles: suites here bring one that can be killed.
 */
import { startLocalStack } from '../../../cli/local-stack.ts';
import { createLogger } from '../../../log.ts';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('which folder?');
const log = createLogger({ level: 'warn', name: 'bucket-and-queue' });
const stack = await startLocalStack({ dataDir, port: 0, workers: 0, consume: false, env: {}, log });
process.stdout.write(`${JSON.stringify(stack.environment)}\n`);
