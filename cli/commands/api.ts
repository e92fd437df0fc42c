import type { Command } from 'commander';
import { startApiProcess } from '../api-process.ts';
import { wholeNumber } from '../number-argument.ts';
import { aborted, openSession, stopSignal } from '../session.ts';

interface ApiCommandOptions {
  readonly host?: string;
  readonly port?: number;
}

export function addApi(program: Command): void {
  program
    .command('api')
    .description('Serve the HTTP API and the dashboard, until SIGTERM.')
    .option('--host <address>', 'the address to listen on (MILLRACE_API_HOST)')
    .option('--port <n>', 'its port; 0 picks a free one (MILLRACE_API_PORT)', wholeNumber(0, 65_535))
    .addHelpText(
      'after',
      `
Needs the bucket's settings; RUNPOD_ENDPOINT and RUNPOD_API_KEY to look at jobs at once, without waiting for a consumer; the two queues'
for dead letters. Another address than loopback needs MILLRACE_API_TOKENS. SIGTERM: takes no more requests, answers those it has, exits 0.

Examples:
  $ millrace api
  $ MILLRACE_API_TOKENS=$(openssl rand -hex 24) millrace api --host 0.0.0.0 --port 8080`,
    )
    .action(async ({ host, port }: ApiCommandOptions) => {
      const { config, log, terminal } = openSession('api');
      const signal = stopSignal();
      const api = await startApiProcess(config, log, {
        host: host ?? config.MILLRACE_API_HOST,
        port: port ?? config.MILLRACE_API_PORT,
      });
      terminal.print(api.url);
      await aborted(signal);
      await api.stop();
    });
}
