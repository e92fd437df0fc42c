/** The compressed layers of an image that lies in a folder as an OCI layout: `node layer-sizes.ts FOLDER`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const Index = z.object({ manifests: z.array(z.object({ digest: z.string() })).min(1) });
const Manifest = z.object({ config: z.object({ digest: z.string() }), layers: z.array(z.object({ size: z.number() })) });
const Configuration = z.object({
  history: z.array(z.object({ created_by: z.string().default(''), empty_layer: z.boolean().default(false) })),
});

const MEGABYTE = 1_000_000;
const SHOWN_CHARACTERS = 90;

const [folder = '.'] = process.argv.slice(2);
const [first] = Index.parse(json('index.json')).manifests;
const manifest = Manifest.parse(blob(first?.digest ?? ''));
const steps = Configuration.parse(blob(manifest.config.digest)).history.filter((step) => !step.empty_layer);

for (const [index, { size }] of manifest.layers.entries()) print(size, steps[index]?.created_by ?? '');
print(
  manifest.layers.reduce((sum, { size }) => sum + size, 0),
  'all of it',
);

function print(bytes: number, what: string): void {
  const step = what.replace(/^\/bin\/sh -c (#\(nop\) )?/, '').replace(/\s+/g, ' ');
  process.stdout.write(`${(bytes / MEGABYTE).toFixed(1).padStart(8)} MB  ${step.slice(0, SHOWN_CHARACTERS)}\n`);
}

function blob(digest: string): unknown {
  return json(join('blobs', ...digest.split(':')));
}

function json(path: string): unknown {
  return JSON.parse(readFileSync(join(folder, path), 'utf8'));
}
