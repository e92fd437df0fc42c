/**
 * The RunPod endpoint in a process of its own, to be killed and started again: `node endpoint-process.ts <data folder> <API key> <port>`
 * prints, as one line of JSON, its URL and what RunPod would put into the environment of a container.
 */
import { startEndpoint } from '../../../local/endpoint/endpoint.ts';
import { createLogger } from '../../../log.ts';

/** A job whose worker was killed is handed out again after three missed pings. */
const PING_INTERVAL_MS = 1_000;

const [dataDir = '', apiKey = '', port = '0'] = process.argv.slice(2);
const log = createLogger({ level: 'warn', name: 'endpoint' });
const endpoint = await startEndpoint({ dataDir, port: Number(port), apiKey, pingIntervalMs: PING_INTERVAL_MS, log });
const { runUrl } = endpoint;
process.stdout.write(`${JSON.stringify({ runUrl, worker: endpoint.workerEnvironment('$WORKER') })}\n`);
