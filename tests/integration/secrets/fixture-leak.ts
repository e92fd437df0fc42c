/** Uses a presigned URL, and leaks its signature in the way that its first argument names. `none` leaks nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createLogger } from '../../../log.ts';

const [leak = 'none', signature = ''] = process.argv.slice(2);
const server = createServer(async (request, response) => {
  await text(request);
  response.end();
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

await fetch(`${base}/pipelines/j/master.wav?X-Amz-Signature=${signature}`);
const result = { job: 'j', error: leak === 'result' ? `could not read ${signature}` : 'could not read' };
await fetch(`${base}/pipelines/j/results/s/0/f.1.failed.json`, { method: 'PUT', body: JSON.stringify(result) });
const log = createLogger({ level: 'info', name: 'fixture' });
log.info({ signed: leak === 'log' ? signature : 'no' }, 'read an input');
if (leak === 'stdout') process.stdout.write(`read ${signature.slice(0, 40)}\n`);
// As suites start their processes: with an environment that says nothing of a recorder.
if (leak === 'child') await runChild();
server.close();

async function runChild(): Promise<void> {
  const program = `process.stderr.write(${JSON.stringify(signature)})`;
  await once(spawn(process.execPath, ['-e', program], { env: {}, stdio: ['ignore', 'ignore', 'pipe'] }), 'exit');
}
