import type { Command } from 'commander';

export function addDemo(program: Command): void {
  program.command('demo').description('Make media, send it through the whole loop on this machine, and check what comes out.');
}
