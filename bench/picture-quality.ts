/** How much a smaller version looks like its source, scaled alike: 1 (SSIM) and 100 (VMAF) are the same. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface Quality {
  readonly ssim: number;
  /** `null` where this ffmpeg does not measure it. */
  readonly vmaf: number | null;
}

export async function qualityOf(ffmpeg: string, made: string, source: string): Promise<Quality> {
  const ssim = await measured(ffmpeg, made, source, 'ssim', /SSIM .*All:([\d.]+)/);
  if (ssim === null) throw new Error('ffmpeg measured no SSIM');
  const vmaf = await measured(ffmpeg, made, source, 'libvmaf', /VMAF score[:=] *([\d.]+)/).catch(() => null);
  return { ssim, vmaf };
}

async function measured(ffmpeg: string, made: string, source: string, filter: string, score: RegExp): Promise<number | null> {
  const graph = `[1:v][0:v]scale2ref=flags=lanczos[reference][made];[made][reference]${filter}`;
  const args = ['-nostdin', '-hide_banner', '-i', made, '-i', source, '-lavfi', graph, '-f', 'null', '-'];
  const { stderr } = await execute(ffmpeg, args, { maxBuffer: 64 * 1024 * 1024 });
  const found = score.exec(stderr)?.[1];
  return found === undefined ? null : Number(found);
}
