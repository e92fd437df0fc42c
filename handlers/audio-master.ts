/** A source of segments, made ready to be cut exactly at any place. */
import type { HeldMaster, MadeMaster } from './audio-master-cache.ts';
import type { KnownMaster } from './audio-master-facts.ts';
import { pcmLayout } from './audio-pcm.ts';
import {
  CUT_BLOCK_BYTES,
  CUT_CHANNELS,
  CUT_SAMPLE_RATE,
  cutPreparation,
  decodeArguments,
  remuxArguments,
} from './ffmpeg/arguments/audio-cut.ts';
import type { OpenInput } from './inputs/open-input.ts';
import type { MediaData } from './media.ts';
import { withoutSignature } from './presigned-url.ts';
import type { TaskContext } from './task-context.ts';
import { audioOf } from './video-input.ts';

export interface AudioMaster extends Omit<KnownMaster, 'preparation'> {
  readonly data: MediaData;
  readonly label: string;
  /** Gives back memory and disk, once no segment needs it any more. */
  release(): Promise<void>;
}

export interface MasterRequest {
  readonly uri: string;
  readonly input: OpenInput;
  /** No segment needs anything later. */
  readonly untilSeconds: number;
  /** One of ours, for the file that may be made in the workspace. */
  readonly name: string;
}

export async function prepareMaster(request: MasterRequest, context: TaskContext): Promise<AudioMaster> {
  const { uri, input } = request;
  // Two signatures of one object are one source; without an ETag nobody knows whether it is still the same.
  const identity = input.etag === undefined ? undefined : JSON.stringify([withoutSignature(uri), input.etag]);
  const found = await context.masters.find(identity, context.signal);
  if (found !== undefined) {
    context.log.debug({ source: input.label }, 'found a seekable copy of a source');
    releaseInput(input);
    return seekable(found, input.label);
  }
  const facts = context.masterFacts.find(identity) ?? (await lookAt(input, context));
  context.masterFacts.keep(identity, facts);
  const { preparation, ...sound } = facts;
  const original: AudioMaster = { ...sound, data: input.data, label: input.label, release: async () => releaseInput(input) };
  if (preparation === 'none') return original;
  const prepare = preparation === 'remux' ? remuxed : decoded;
  const prepared = await prepare(original, identity, request, context);
  releaseInput(input);
  return prepared;
}

async function lookAt({ data, label }: OpenInput, { media }: TaskContext): Promise<KnownMaster> {
  const info = await media.probe(data);
  const audio = audioOf(info, label);
  const { delaySeconds = 0 } = audio;
  return {
    streamIndex: audio.index,
    sampleRate: audio.sampleRate,
    channels: audio.channels,
    delaySeconds,
    durationSeconds: audio.durationSeconds === undefined ? info.durationSeconds : delaySeconds + audio.durationSeconds,
    pcm: info.formatName === 'wav' && audio.codec === 'pcm_s16le' ? await pcmLayout(data) : undefined,
    preparation: cutPreparation(info.formatName),
  };
}

/** One copy for all tasks of this worker that cut the same version of the same input. */
async function remuxed(
  { sampleRate, channels, streamIndex }: AudioMaster,
  identity: string | undefined,
  { input, name }: MasterRequest,
  { media, workspace, masters, log, signal }: TaskContext,
): Promise<AudioMaster> {
  const make = async (): Promise<MadeMaster> => {
    log.debug({ source: input.label }, 'making a source seekable');
    const file = workspace.path(`${name}.mp4`);
    await media.run((at) => remuxArguments(at(input.data, 'whole'), streamIndex, file));
    const { durationSeconds } = audioOf(await media.probe({ file }), input.label);
    return { file, facts: { sampleRate, channels, durationSeconds, pcm: undefined } };
  };
  return seekable(await masters.hold({ identity, sizeBytes: input.totalBytes }, signal, make), input.label);
}

function seekable({ file, facts, release }: HeldMaster, label: string): AudioMaster {
  return { ...facts, data: { file }, label, streamIndex: 0, delaySeconds: 0, release };
}

/** Whole, once for all tasks of this worker, where that can be kept; otherwise as far as this run needs it. */
async function decoded(
  { streamIndex, delaySeconds, durationSeconds }: AudioMaster,
  identity: string | undefined,
  { input, untilSeconds, name }: MasterRequest,
  { media, workspace, masters, log, signal }: TaskContext,
): Promise<AudioMaster> {
  const wholeBytes = durationSeconds === undefined ? undefined : (durationSeconds + MARGIN_SECONDS) * CUT_BYTES_PER_SECOND;
  const isShared = wholeBytes !== undefined && wholeBytes <= masters.maxBytes && identity !== undefined;
  const make = async (): Promise<MadeMaster> => {
    log.debug({ source: input.label, whole: isShared }, 'decoding a source that cannot be trusted to seek');
    const file = workspace.path(`${name}.wav`);
    const endSeconds = (isShared ? durationSeconds : undefined) ?? untilSeconds;
    await media.run((at) =>
      decodeArguments({ location: at(input.data), streamIndex, delaySeconds }, endSeconds + MARGIN_SECONDS, file),
    );
    const pcm = await pcmLayout({ file });
    // Headers of MPEG-TS end with the beginning of the last packet.
    const decodedSeconds = (pcm?.samples ?? 0) / CUT_SAMPLE_RATE;
    const endsAtSeconds = durationSeconds === undefined ? undefined : Math.max(durationSeconds, decodedSeconds);
    return { file, facts: { sampleRate: CUT_SAMPLE_RATE, channels: CUT_CHANNELS, durationSeconds: endsAtSeconds, pcm } };
  };
  const key = { identity: isShared ? identity : undefined, sizeBytes: wholeBytes ?? 0 };
  return seekable(await masters.hold(key, signal, make), input.label);
}

const MARGIN_SECONDS = 1;
const CUT_BYTES_PER_SECOND = CUT_SAMPLE_RATE * CUT_BLOCK_BYTES;

function releaseInput({ data }: OpenInput): void {
  if ('reader' in data) data.reader.release();
}
