/** Where Google's Pub/Sub emulator is installed on this machine: a Java program behind a shell script, part of the Google Cloud SDK. */
import { constants } from 'node:fs';
import { access, readdir, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

export interface EmulatorProgram {
  readonly path: string;
  /** `unknown` where its folder does not tell. */
  readonly version: string;
}

const NAME = 'cloud-pubsub-emulator';
const IN_SDK = join('platform', 'pubsub-emulator', 'bin', NAME);

/** Where the SDK's packages and its installer put it, for a machine whose PATH does not have gcloud. */
const SDK_FOLDERS = [
  '/usr/lib/google-cloud-sdk',
  '/usr/share/google-cloud-sdk',
  '/usr/local/google-cloud-sdk',
  '/usr/local/share/google-cloud-sdk',
  '/opt/google-cloud-sdk',
  '/opt/homebrew/share/google-cloud-sdk',
  '/snap/google-cloud-cli/current',
  join(homedir(), 'google-cloud-sdk'),
];

/** On the PATH, beside the gcloud on the PATH, or in a usual folder. Undefined where it is in none of them. */
export async function findEmulator(searchPath: string): Promise<EmulatorProgram | undefined> {
  const onPath = searchPath.split(delimiter).filter((folder) => folder !== '');
  const sdks = await Promise.all(onPath.map((folder) => sdkOf(join(folder, 'gcloud'))));
  const candidates = [
    ...onPath.map((folder) => join(folder, NAME)),
    ...[...sdks.filter((folder) => folder !== undefined), ...SDK_FOLDERS].map((folder) => join(folder, IN_SDK)),
  ];
  for (const path of candidates) {
    if (await isExecutable(path)) return { path, version: await versionOf(path) };
  }
  return undefined;
}

/** `<sdk>/bin/gcloud`, once all links are followed. */
async function sdkOf(gcloud: string): Promise<string | undefined> {
  try {
    return dirname(dirname(await realpath(gcloud)));
  } catch {
    return undefined;
  }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function versionOf(path: string): Promise<string> {
  try {
    const jars = await readdir(join(dirname(dirname(await realpath(path))), 'lib'));
    return jars.flatMap((jar) => /^cloud-pubsub-emulator-(\d[\w.]*?)(?:-all)?\.jar$/.exec(jar)?.[1] ?? [])[0] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}
