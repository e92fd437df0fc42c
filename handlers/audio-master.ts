/** A source of segments, made ready to be cut exactly at any place. */
import { rm } from 'node:fs/promises';
import { CUT_SAMPLE_RATE, cutPreparation, decodeArguments, remuxArguments } from './ffmpeg/arguments/audio-cut.ts';
import type { OpenInput } from './inputs/open-input.ts';
import type { MediaData } from './media.ts';
import type { TaskContext } from './task-context.ts';
import { audioOf } from './video-input.ts';

export interface AudioMaster {
  readonly data: MediaData;
  readonly label: string;
  readonly streamIndex: number;
  readonly sampleRate: number;
  /** What its header says; `undefined` where it says nothing. */
  readonly durationSeconds: number | undefined;
  /** Gives back memory and disk, once no segment needs it any more. */
  release(): Promise<void>;
}

/** `untilSeconds`: no segment needs anything later. `name` is one of ours, for the file that may be made in the workspace. */
export async function prepareMaster(
  input: OpenInput,
  untilSeconds: number,
  name: string,
  context: TaskContext,
): Promise<AudioMaster> {
  const { media, workspace, log } = context;
  const info = await media.probe(input.data);
  const audio = audioOf(info, input.label);
  const original: AudioMaster = {
    data: input.data,
    label: input.label,
    streamIndex: audio.index,
    sampleRate: audio.sampleRate,
    durationSeconds: audio.durationSeconds ?? info.durationSeconds,
    release: async () => releaseInput(input),
  };
  const preparation = cutPreparation(info.formatName);
  if (preparation === 'none') return original;
  log.debug({ source: input.label, preparation }, 'preparing a source for exact cuts');
  const file = workspace.path(`${name}.${preparation === 'remux' ? 'mp4' : 'wav'}`);
  await media.run((at) =>
    preparation === 'remux'
      ? remuxArguments(at(input.data), audio.index, file)
      : decodeArguments(at(input.data), audio.index, untilSeconds + MARGIN_SECONDS, file),
  );
  releaseInput(input);
  const prepared = audioOf(await media.probe({ file }), input.label);
  const { durationSeconds } = preparation === 'remux' ? prepared : original;
  const sampleRate = preparation === 'remux' ? audio.sampleRate : CUT_SAMPLE_RATE;
  const release = () => rm(file, { force: true });
  return { ...original, data: { file }, streamIndex: 0, sampleRate, durationSeconds, release };
}

const MARGIN_SECONDS = 1;

function releaseInput({ data }: OpenInput): void {
  if ('reader' in data) data.reader.release();
}
