/** The objects under `pipelines-state/`: what consumers remember. Each is written once. */
import { z } from 'zod';
import { Timestamp } from './timestamp.ts';

/** `claims/…`: who won the right to dispatch one attempt. */
export const Claim = z.object({ version: z.literal(1), consumer: z.string(), claimed_at: Timestamp });
export type Claim = z.infer<typeof Claim>;

/** `runs/…`: which RunPod job carries the attempt. */
export const Run = z.object({
  version: z.literal(1),
  run_id: z.string(),
  /** The endpoint's name: `default`, or what the stage names. */
  endpoint: z.string(),
  dispatched_at: Timestamp,
  /** The claim that it was sent with, which the sweep deletes once the attempt has ended. Records of earlier versions lack it. */
  claim: Claim.optional(),
  /** The attempts that the run carries, all of one stage: more than one in a batch. */
  attempts: z.array(z.object({ item: z.string(), fingerprint: z.string(), attempt: z.int().min(1) })).min(1),
});
export type Run = z.infer<typeof Run>;

/** `retries/…`: forget the failures up to this attempt. */
export const Retry = z.object({ version: z.literal(1), asked_at: Timestamp });
export type Retry = z.infer<typeof Retry>;

/** `slots/…`: one of the runs that an endpoint may have in flight. */
export const Slot = z.object({
  version: z.literal(1),
  attempts: z.array(z.object({ stage: z.string(), item: z.string(), fingerprint: z.string(), attempt: z.int().min(1) })).min(1),
});
export type Slot = z.infer<typeof Slot>;

/** `waiting/<job>/…`: the job is to be looked at again; its name says when, and whether it is held back until then. */
export const WaitingNote = z.object({
  version: z.literal(1),
  job: z.string(),
  reason: z.string(),
  /** For a slot: since when. */
  at: Timestamp,
});
export type WaitingNote = z.infer<typeof WaitingNote>;
