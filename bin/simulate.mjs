/** `npm run simulate`: installs what is missing, then runs tests/simulation/simulate.ts on Node 24 with the arguments given. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, root } from './setup.mjs';

const script = join(root, 'tests', 'simulation', 'simulate.ts');
const command = ['--disable-warning=ExperimentalWarning', script, ...process.argv.slice(2)];
process.exitCode = spawnSync(ensureInstalled(), command, { stdio: 'inherit' }).status ?? 1;
