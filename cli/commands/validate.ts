import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { MillraceError } from '../../errors.ts';
import { isManifestKindName, kindOfFileName, MANIFEST_KINDS, validateManifest } from '../../manifests/kinds.ts';
import { parseDocument, type Rejected } from '../../manifests/parse.ts';
import { Pipeline } from '../../manifests/pipeline.ts';
import { createGraph } from '../../pipeline/graph.ts';
import { EXIT } from '../exit-codes.ts';
import { openOwnSession } from '../session.ts';

export function addValidate(program: Command): void {
  program
    .command('validate')
    .description('Check a manifest before you upload it: the same checks, and the same words, as a problem object.')
    .argument(
      '<file>',
      `a manifest, named ${Object.values(MANIFEST_KINDS)
        .map(({ fileName }) => fileName)
        .join(', ')}; - for standard input`,
    )
    .addOption(
      new Option('--as <kind>', 'which manifest it is, where its name does not say').choices(Object.keys(MANIFEST_KINDS)),
    )
    .addHelpText(
      'after',
      `
Exits 0 where the manifest is right, ${EXIT.data} where it is not: one line per field on stderr.

Examples:
  $ millrace validate segments.json
  $ jq '.cuts' cuts.json | millrace validate - --as segments`,
    )
    .action((file: string, { as }: { as?: string }) => {
      const { config, terminal } = openOwnSession('validate');
      const limits = { maxSegments: config.MILLRACE_MAX_SEGMENTS, maxManifestBytes: config.MILLRACE_MAX_MANIFEST_BYTES };
      const kind = as !== undefined && isManifestKindName(as) ? as : undefined;
      const name = file === '-' ? 'standard input' : basename(file);
      const rejected = checkManifest(name, readText(file), limits, kind);
      if (rejected === null) {
        terminal.print(`${file}: valid`);
        return;
      }
      for (const { text } of rejected.errors) terminal.note(`${file}: ${text}`);
      if (rejected.code === 'USAGE') terminal.note('  Name it so (intro.segments.json will do), or say which it is with --as.');
      process.exitCode = rejected.code === 'USAGE' ? EXIT.usage : EXIT.data;
    });
}

type Limits = Parameters<typeof validateManifest>[2];
type Kind = Parameters<typeof validateManifest>[3];

/** `null` where nothing is wrong. Goes further than the schema for a pipeline: its stages are checked against each other. */
export function checkManifest(name: string, text: string, limits: Limits, kind?: Kind): Rejected | null {
  const parsed = validateManifest(name, text, limits, kind);
  if (!parsed.ok) return parsed;
  if ((kind ?? kindOfFileName(name)) !== 'pipeline') return null;
  const pipeline = parseDocument(Pipeline, text);
  const graph = pipeline.ok ? createGraph(pipeline.value) : pipeline;
  return graph.ok ? null : graph;
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw new MillraceError('USAGE', `${file} cannot be read`, {
      cause,
      fix: 'Name a file that is there, or - for standard input.',
    });
  }
}
