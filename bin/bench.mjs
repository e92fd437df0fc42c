/** `npm run bench`: installs what is missing, then runs bench/bench.ts on Node 24 with the arguments given. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, nodeFlags, root } from './setup.mjs';

const command = [...nodeFlags, join(root, 'bench', 'bench.ts'), ...process.argv.slice(2)];
process.exitCode = spawnSync(ensureInstalled(), command, { stdio: 'inherit' }).status ?? 1;
