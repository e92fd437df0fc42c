/** An endpoint process for tests that kill it. Its folder and port are its arguments; once it listens it says where. */
import { startEndpoint } from '../../../local/endpoint/endpoint.ts';
import { silentLogger } from '../../../log.ts';

const [dataDir = '', apiKey = ''] = process.argv.slice(2);
const { runUrl } = await startEndpoint({ dataDir, port: 0, apiKey, log: silentLogger });
process.stdout.write(`${runUrl}\n`);
