/**
 * An ffmpeg that behaves as on a machine with a GPU, for machines without one: it takes the arguments of the GPU's rungs, fails in
 * the words that NVENC, NVDEC and the driver use where it is told to, and otherwise hands the work to the real ffmpeg with the CPU's
 * arguments in place of the GPU's. It proves how the worker deals with a GPU, and nothing about a GPU.
 */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface GpuFault {
  /** Texts that must all be among the arguments. */
  readonly on: readonly string[];
  /** Texts of which none may be. */
  readonly notOn?: readonly string[];
  readonly stderr: string;
  /** How often; always unless told. */
  readonly times?: number;
}

export interface FakeGpu {
  readonly ffmpeg: string;
  /** The arguments of every call so far, proofs included. */
  calls(): Promise<string[][]>;
}

/** `name` is that of the script in `directory`. */
export async function fakeGpu(real: string, directory: string, name: string, faults: readonly GpuFault[]): Promise<FakeGpu> {
  const ffmpeg = join(directory, name);
  const record = `${ffmpeg}.calls`;
  await writeFile(record, '');
  await writeFile(ffmpeg, `#!${process.execPath}\n(${script})(${JSON.stringify({ real, record, faults })});\n`);
  await chmod(ffmpeg, 0o755);
  return {
    ffmpeg,
    async calls() {
      const lines = (await readFile(record, 'utf8')).split('\n').filter((line) => line !== '');
      return lines.map((line): string[] => JSON.parse(line));
    },
  };
}

/** Runs in the script, as CommonJS. */
const script = String.raw`({ real, record, faults }) => {
  const { spawn } = require('node:child_process');
  const { appendFileSync, readFileSync } = require('node:fs');
  const args = process.argv.slice(2);
  const matches = (fault, given) => {
    const text = given.join(' ');
    return fault.on.every((part) => text.includes(part)) && !(fault.notOn ?? []).some((part) => text.includes(part));
  };
  const before = readFileSync(record, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
  appendFileSync(record, JSON.stringify(args) + '\n');
  const fault = faults.find(
    (each) => matches(each, args) && before.filter((given) => matches(each, given)).length < (each.times ?? Infinity),
  );
  if (fault !== undefined) {
    process.stderr.write(fault.stderr + '\n');
    process.exit(1);
  }
  const child = spawn(real, onCpu(args), { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 255)));

  function onCpu(given) {
    const valued = ['-hwaccel', '-hwaccel_output_format', '-preset', '-tune', '-rc', '-cq', '-spatial-aq', '-rc-lookahead'];
    const nvenc = given.some((arg) => arg.endsWith('_nvenc'));
    const out = [];
    for (let i = 0; i < given.length; i++) {
      if (valued.includes(given[i]) && (nvenc || given[i].startsWith('-hwaccel'))) i++;
      else if (nvenc && given[i] === '-b:v') i++;
      else if (given[i].endsWith('_nvenc')) out.push('libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p');
      else if (given[i - 1] === '-vf') out.push(cpuFilters(given[i]));
      else out.push(given[i]);
    }
    return out;
  }

  function cpuFilters(filters) {
    return filters
      .replace(/scale_cuda=(\d+):(\d+)[^,]*/, 'scale=$1:$2')
      .replace(/hwdownload,format=nv12/, 'format=nv12')
      .replace(/,hwupload_cuda/, '');
  }
}`;
