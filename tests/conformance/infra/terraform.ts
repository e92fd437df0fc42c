/** infra/aws in a folder of its own, so that neither state nor providers are ever left in the tree, and what runs it there. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { devNull, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { recordPeer, recordPeerMissing } from '../../peers/peers.ts';

const INFRA_FOLDER = fileURLToPath(new URL('../../../infra', import.meta.url));
const AWS_FOLDER = join(INFRA_FOLDER, 'aws');

export interface Terraform {
  /** What it printed on stdout. Throws with the end of all that it printed where it fails. */
  run(...args: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

/** Applying to moto takes about a minute and a half: the provider waits for what AWS would need time for. */
export const APPLY_TIMEOUT_MS = 240_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const SHOWN_CHARACTERS = 4_000;

/** What may say where providers are, and nothing of AWS: no test may reach anybody's account. */
const PASSED_ON = ['PATH', 'HOME', 'TMPDIR', 'TF_CLI_CONFIG_FILE', 'TF_PLUGIN_CACHE_DIR'] as const;

/** Replaces nothing of the configuration but how the provider signs and finds its endpoint. */
const PROVIDER_OVERRIDE = `provider "aws" {
  access_key        = "test"
  secret_key        = "test"
  s3_use_path_style = true
}
`;

/** Null, with a loud line, where there is no terraform. */
export async function terraformVersion(): Promise<string | null> {
  try {
    const { terraform_version: version } = z
      .object({ terraform_version: z.string() })
      .parse(JSON.parse(await execute(tmpdir(), environment(), ['version', '-json'])));
    return version;
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
    recordPeerMissing('terraform', 'is not installed: no Terraform of infra is checked');
    return null;
  }
}

/** A copy of infra/aws, initialised; null, with a loud line, where the AWS provider is not to be had. */
export async function openTerraform(version: string, awsEndpoint: string): Promise<Terraform | null> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-terraform-'));
  const env = { ...environment(), AWS_ENDPOINT_URL: awsEndpoint };
  const terraform: Terraform = {
    run: (...args) => execute(folder, env, args),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
  try {
    // Somebody may work in that folder: of theirs, neither state nor settings nor providers come along.
    await cp(AWS_FOLDER, folder, { recursive: true, filter: (path) => !/\.terraform|\.tfstate|\.tfvars|\.env$/.test(path) });
    await writeFile(join(folder, 'moto_override.tf'), PROVIDER_OVERRIDE);
    // Without TF_PLUGIN_DIR Terraform looks in its own places and then asks its registry.
    const { TF_PLUGIN_DIR: plugins = '' } = process.env;
    await terraform.run('init', '-input=false', ...(plugins === '' ? [] : [`-plugin-dir=${plugins}`]));
    recordPeer('terraform', version);
    return terraform;
  } catch (thrown) {
    await terraform.remove();
    if (!/Failed to (query available provider packages|install provider)/.test(String(thrown))) throw thrown;
    const why = 'is not to be had (set TF_PLUGIN_DIR to a folder of providers, or allow the registry): infra/aws is not applied';
    recordPeerMissing('terraform-provider-aws', why);
    return null;
  }
}

/** That `terraform fmt` would leave every file of every cloud as it is. Throws with the names of those that it would not. */
export async function checkFormat(): Promise<void> {
  await execute(INFRA_FOLDER, environment(), ['fmt', '-check', '-recursive']);
}

function environment(): Record<string, string> {
  const passedOn = PASSED_ON.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passedOn),
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    AWS_EC2_METADATA_DISABLED: 'true',
    CHECKPOINT_DISABLE: 'true',
    TF_IN_AUTOMATION: 'true',
    TF_CLI_ARGS: '-no-color',
  };
}

function execute(cwd: string, env: Record<string, string>, args: readonly string[]): Promise<string> {
  const options = { cwd, env, timeout: APPLY_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
  return new Promise((resolve, reject) => {
    execFile('terraform', args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (isNotFound(error)) reject(error);
      else {
        const shown = `${stdout}\n${stderr}`.trim().slice(-SHOWN_CHARACTERS);
        reject(new Error(`terraform ${args[0]} failed:\n${shown}`, { cause: error }));
      }
    });
  });
}

const isNotFound = (thrown: unknown): boolean => thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
