/**
 * Long videos in pieces: what a stage says about it, one piece as a task gets it, and the list of all of them, which the worker that
 * finds a source to be long writes into the job.
 */
import { z } from 'zod';
import { numberBetween, wholeNumberBetween } from './numbers.ts';

const DAY_SEC = 24 * 3600;
const HOUR_SEC = 3600;

/** A stage's `chunks`. */
export const StageChunks = z
  .strictObject({
    above_sec: numberBetween(1, DAY_SEC, 'seconds').describe('A source that lasts longer is made in chunks.'),
    chunk_sec: numberBetween(1, HOUR_SEC, 'seconds').describe('About how long one chunk is.'),
  })
  .meta({ id: 'StageChunks' });
export type StageChunks = z.infer<typeof StageChunks>;

/** Times a rate is far above any that is made: it only keeps products safe integers. */
const MAX_FRAME = 100_000_000;

const RATE_ERROR = 'expected a rate as a fraction, such as 30000/1001';

export const ChunkRate = z
  .string({ error: RATE_ERROR })
  .regex(/^[1-9]\d{0,8}\/[1-9]\d{0,8}$/, { error: RATE_ERROR })
  .describe('Pictures a second, as a fraction.');

/** One chunk. Says nothing of what it is cut from: the same chunk of the same source stays as it is when the sound changes. */
export const Chunk = z
  .strictObject({
    rate: ChunkRate,
    start_frame: wholeNumberBetween(0, MAX_FRAME).describe(
      'The first picture, counted at that rate from where the source begins.',
    ),
    frames: wholeNumberBetween(1, MAX_FRAME).describe('How many pictures.'),
    to_end: z
      .literal(true)
      .optional()
      .describe('The last chunk: it ends where the source does, and frames is what its header promises.'),
  })
  .meta({ id: 'Chunk', description: 'The pictures of one chunk, without sound.' });
export type Chunk = z.infer<typeof Chunk>;

const MAX_CHUNKS = 100_000;

/** `stage/<stage>/chunks/chunks.json`. */
export const ChunkList = z.strictObject({
  version: z.literal(1),
  fingerprint: z.string().describe('Of the output that is to be made of the chunks.'),
  sound: z.boolean().describe('Is there sound? Then it lies beside the list.'),
  chunks: z.array(Chunk, { error: 'expected an array of chunks' }).min(2).max(MAX_CHUNKS),
});
export type ChunkList = z.infer<typeof ChunkList>;
