import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { MillraceError } from '../../errors.ts';
import { kindOfFileName } from '../../manifests/kinds.ts';
import { createPlanner } from '../deployment.ts';
import { jobArgument } from '../job-argument.ts';
import { inWritingOrder, type JobFile, jobFile } from '../job-files.ts';
import { openSession } from '../session.ts';
import { formatBytes } from '../terminal.ts';
import { checkManifest } from './validate.ts';

export function addSubmit(program: Command): void {
  program
    .command('submit')
    .description('Write files into a job: pipeline.json first, manifests last. Manifests are checked before anything is written.')
    .argument('<job>', 'the job id', jobArgument)
    .argument('<files...>', 'FILE, or KEY=FILE where the name does not say where it belongs')
    .addHelpText(
      'after',
      `
By name: audio becomes inputs/audio/master.*, video inputs/video/source.*, an image inputs/image/presenter.*,
en.ass inputs/subtitles/en.ass, segment_3.mp4 stage/clips/segment_3.mp4, and manifests go where their stage reads them.

Examples:
  $ millrace submit talk-1 talk.m4a segments.json
  $ millrace submit talk-1 inputs/audio/master.m4a=recordings/final-mix-2.m4a`,
    )
    .action(async (job: string, argumentList: string[]) => {
      const { config, terminal } = openSession('submit');
      const { store, layout, settings } = createPlanner(config);
      const files = inWritingOrder(argumentList.map(jobFile));
      refuseTwice(files);
      for (const file of files) await check(file, settings);
      for (const { path, key } of files) {
        const { size } = await stat(path);
        await store.put(layout.jobKey(job, key), createReadStream(path), { contentLengthBytes: size });
        terminal.print(`${path} → ${store.scheme}://${store.bucket}/${layout.jobKey(job, key)} (${formatBytes(size)})`);
      }
    });
}

function refuseTwice(files: readonly JobFile[]): void {
  const paths = new Map<string, string>();
  for (const { path, key } of files) {
    const place = placeOf(key);
    const other = paths.get(place);
    if (other !== undefined)
      throw new MillraceError('USAGE', `${other} and ${path} would both become ${place}`, { fix: 'Name one of them KEY=FILE.' });
    paths.set(place, path);
  }
}

/** Of these the job takes one, whatever its type: master.m4a beside master.wav would only become a problem object. */
const placeOf = (key: string): string =>
  key.replace(/^(inputs\/(?:audio\/master|video\/source|image\/presenter))\.[^./]+$/, '$1.*');

/** Throws for a file that cannot be read, and for a manifest that would only become a problem object. */
async function check({ path, key }: JobFile, limits: Parameters<typeof checkManifest>[2]): Promise<void> {
  const name = basename(key);
  const info = await stat(path).catch((cause: unknown) => {
    throw new MillraceError('USAGE', `${path} cannot be read`, { cause, fix: 'Name a file that is there.' });
  });
  if (!info.isFile()) throw new MillraceError('USAGE', `${path} is no file`, { fix: 'Name files, one by one.' });
  if (kindOfFileName(name) === undefined) return;
  const rejected = checkManifest(name, await readFile(path, 'utf8'), limits);
  if (rejected === null) return;
  const lines = rejected.errors.map(({ text }) => `\n  ${text}`).join('');
  throw new MillraceError('MANIFEST_INVALID', `${path} is not right, and nothing was written:${lines}`);
}
