/** Whether this machine can work as a worker: ffmpeg with all that the tasks use, the GPU, room on the disk. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rmdir, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { asMillraceError } from '../../errors.ts';
import { type Capabilities, detectCapabilities } from '../../handlers/ffmpeg/capabilities.ts';
import { locate, type Tools } from '../../handlers/ffmpeg/locate.ts';
import { runTool } from '../../handlers/ffmpeg/run.ts';
import type { Check } from './check.ts';
import type { Examination } from './examination.ts';
import { type Finding, ok, skipped, wrong } from './finding.ts';

const ENCODERS = ['aac', 'libx264', 'pcm_s16le'];
/** `ass` is the one that builds without libass lack. */
const FILTERS = [
  'aformat',
  'aresample',
  'asetnsamples',
  'ass',
  'astats',
  'atrim',
  'format',
  'fps',
  'pad',
  'scale',
  'setsar',
  'tpad',
];
const LIST_TIME_LIMIT_MS = 20_000;
const MAX_LIST_BYTES = 1024 ** 2;
const INSTALL = 'Install a whole one: apt-get install ffmpeg; or leave FFMPEG_PATH and FFPROBE_PATH out.';

export const ffmpeg: Check = {
  name: 'ffmpeg',
  needs: [],
  fix: INSTALL,
  async run({ config, place }, signal) {
    let tools: Tools;
    try {
      tools = await find(config);
    } catch (thrown) {
      const named = config.FFMPEG_PATH !== undefined || config.FFPROBE_PATH !== undefined;
      const { message } = asMillraceError(thrown);
      if (place !== 'deployment' || named)
        return [wrong(message, named ? 'Correct FFMPEG_PATH and FFPROBE_PATH, or leave them out.' : INSTALL)];
      return [skipped('there is no ffmpeg here; only workers need one', "On a worker's machine: millrace doctor --worker")];
    }
    const [encoders, filters] = await Promise.all([names(tools, '-encoders', signal), names(tools, '-filters', signal)]);
    const missing = [...ENCODERS.filter((name) => !encoders.has(name)), ...FILTERS.filter((name) => !filters.has(name))];
    const which = `ffmpeg ${tools.version} (${tools.origin})`;
    if (missing.length > 0) return [wrong(`${which} was built without ${missing.join(', ')}`, INSTALL)];
    return [ok(`${which} and ffprobe, with libx264, aac and libass`)];
  },
};

export const gpu: Check = {
  name: 'gpu',
  needs: ['ffmpeg'],
  fix: 'Run nvidia-smi on this machine.',
  async run({ config, place }, signal) {
    if (place === 'deployment') return [skipped('workers run elsewhere', "On a worker's machine: millrace doctor --worker")];
    const capabilities = await detectCapabilities(await find(config), signal);
    return [judgeGpu(capabilities, { isRequired: config.MILLRACE_REQUIRE_GPU, isThere: existsSync(NVIDIA_DEVICE) })];
  },
};

/** There wherever the NVIDIA driver has given this machine or container a GPU. */
const NVIDIA_DEVICE = '/dev/nvidiactl';

/** A machine with a GPU that quietly works on its CPU costs money until somebody looks. */
export function judgeGpu(
  { h264Nvenc, nvdec, scaleCuda }: Pick<Capabilities, 'h264Nvenc' | 'nvdec' | 'scaleCuda'>,
  { isRequired, isThere }: { readonly isRequired: boolean; readonly isThere: boolean },
): Finding {
  if (h264Nvenc.available) {
    const others = [nvdec.available ? 'NVDEC' : '', scaleCuda.available ? 'scale_cuda' : ''].filter((name) => name !== '');
    return ok(`NVENC works here${others.length === 0 ? '' : `; so do ${others.join(' and ')}`}`);
  }
  const { reason } = h264Nvenc;
  if (isRequired) return wrong(`MILLRACE_REQUIRE_GPU is set, but NVENC does not work here: ${reason}`, gpuFix(reason));
  if (isThere) return wrong(`there is a GPU, but videos are encoded on the CPU: ${reason}`, gpuFix(reason));
  return ok(`no GPU: videos are encoded on the CPU with libx264 (${reason})`);
}

function gpuFix(reason: string): string {
  if (/NVIDIA_DRIVER_CAPABILITIES/.test(reason))
    return 'Start the container with NVIDIA_DRIVER_CAPABILITIES=compute,video,utility.';
  if (/built without|too old/.test(reason))
    return 'Install an ffmpeg with NVENC (Debian\u2019s has it), or name one in FFMPEG_PATH.';
  return 'Choose a GPU with an encoder (L4, L40S, RTX 4090; not A100, H100 or H200): infra/runpod, gpu.pools.';
}

export const workFolder: Check = {
  name: 'work-folder',
  needs: [],
  fix: 'Give MILLRACE_WORK_DIR a folder that this process may write, on a disk with room.',
  async run({ config, place }) {
    if (place === 'deployment') return [skipped('workers run elsewhere', "On a worker's machine: millrace doctor --worker")];
    const folder = config.MILLRACE_WORK_DIR ?? join(tmpdir(), 'millrace');
    const existed = existsSync(folder);
    await mkdir(folder, { recursive: true });
    const probe = await mkdtemp(join(folder, 'doctor-'));
    const { bavail, bsize } = await statfs(probe);
    await rmdir(probe);
    // Not by force: a worker may have begun to use it.
    if (!existed) await rmdir(folder).catch(() => undefined);
    return [judgeRoom(folder, bavail * bsize, config)];
  },
};

function judgeRoom(folder: string, freeBytes: number, config: Examination['config']): Finding {
  const needed = config.MILLRACE_TASK_DISK_QUOTA_BYTES * config.MILLRACE_WORKER_CONCURRENCY;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const found = `${folder} can be written, and has ${gigabytes(freeBytes)} of room`;
  if (freeBytes >= needed) return ok(found);
  const wanted = `${gigabytes(needed)} (MILLRACE_TASK_DISK_QUOTA_BYTES for each of ${config.MILLRACE_WORKER_CONCURRENCY})`;
  return wrong(
    `${found}; tasks may take ${wanted}`,
    `Give ${dirname(folder)} more room, or lower MILLRACE_TASK_DISK_QUOTA_BYTES.`,
  );
}

function find({ FFMPEG_PATH: ffmpegPath, FFPROBE_PATH: ffprobePath }: Examination['config']): Promise<Tools> {
  return locate({
    ...(ffmpegPath === undefined ? {} : { ffmpegPath }),
    ...(ffprobePath === undefined ? {} : { ffprobePath }),
  });
}

/** The second column of `ffmpeg -encoders` and `ffmpeg -filters`. */
async function names({ ffmpeg: file }: Tools, list: '-encoders' | '-filters', signal: AbortSignal): Promise<ReadonlySet<string>> {
  let text = '';
  const onStdout = (chunk: Buffer) => {
    if (text.length < MAX_LIST_BYTES) text += chunk.toString('utf8');
  };
  await runTool({ file, args: ['-hide_banner', list], signal, timeLimitMs: LIST_TIME_LIMIT_MS, onStdout });
  return new Set([...text.matchAll(/^ [A-Z.|]{3,6} +(\S+) /gm)].map(([, name = '']) => name));
}
