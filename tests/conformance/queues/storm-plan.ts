/** What happens in one storm, all of it from a seed: what is written and sent when, and which reconciles meet with what. Pure. */
import { createRandom, type Random } from '../../simulation/random.ts';

export type Misfortune =
  /** Throws. */
  | 'fails'
  /** Throws as an unreachable bucket does, for a while, and all reconciles of its process with it. */
  | 'finds the bucket away'
  /** Takes longer than a lease, which has to be kept. */
  | 'hangs'
  /** Its whole process stands still for longer than a lease, which is lost. */
  | 'sleeps through its lease'
  /** SIGKILL to its process. */
  | 'dies'
  /** The same, between its success and the acknowledgement. */
  | 'dies after its success';

export interface Fate {
  readonly job: string;
  /** Met by the first reconcile of the job that sees so many objects. */
  readonly fromSeen: number;
  readonly misfortune: Misfortune;
}

export type Act =
  | { readonly kind: 'write'; readonly job: string; readonly object: number }
  | { readonly kind: 'send'; readonly job: string; readonly object: number }
  | { readonly kind: 'send-unreadable'; readonly text: string };

export interface StormPlan {
  readonly jobs: readonly string[];
  readonly objectsPerJob: number;
  readonly fates: readonly Fate[];
  readonly unreadable: readonly string[];
  /** All objects of all jobs but the last of each. */
  readonly firstWave: readonly Act[];
  /**
   * The last object of each job, told once and only after the first wave is over: if one of these messages is given up too early,
   * nothing else makes its job complete.
   */
  readonly lastWave: readonly Act[];
}

const DUPLICATES = 0.2;
const UNREADABLE = 0.02;
/** How many acts later than its object is written an event is sent, and sent again. */
const MAX_LAG = 60;
const MAX_DUPLICATE_LAG = 200;

/** Dealt to one job each. A third of the jobs have a last message that meets with something. */
const EARLY: readonly Misfortune[] = [
  'dies',
  'sleeps through its lease',
  'finds the bucket away',
  'hangs',
  'fails',
  'fails',
  'fails',
  'fails',
];
const LAST: readonly Misfortune[] = ['dies', 'dies after its success', 'hangs', 'fails', 'fails'];
/** Dealt to the last messages of the jobs that are left, one of each in turn, until a third has had one. */
const MORE: readonly Misfortune[] = ['fails', 'hangs', 'fails', 'finds the bucket away'];

export const KILLS = [...EARLY, ...LAST].filter((misfortune) => misfortune.startsWith('dies')).length;

export interface StormSize {
  readonly jobs: number;
  readonly eventsPerJob: number;
}

export function planStorm(seed: number, { jobs: jobCount, eventsPerJob }: StormSize): StormPlan {
  const random = createRandom(seed);
  const jobs = Array.from({ length: jobCount }, (_, index) => `job-${index}`);
  const unreadable = Array.from({ length: Math.ceil(jobCount * eventsPerJob * UNREADABLE) }, (_, index) => `unreadable ${index}`);
  const lastWave = shuffled(jobs, random).flatMap((job): Act[] => {
    const object = eventsPerJob - 1;
    return [
      { kind: 'write', job, object },
      { kind: 'send', job, object },
    ];
  });
  return {
    jobs,
    objectsPerJob: eventsPerJob,
    fates: fatesOf(jobs, eventsPerJob, random),
    unreadable,
    firstWave: firstWave(jobs, eventsPerJob - 1, unreadable, random),
    lastWave,
  };
}

function fatesOf(jobs: readonly string[], eventsPerJob: number, random: Random): Fate[] {
  const early = shuffled(jobs, random);
  const last = shuffled(jobs, random);
  const more = Array.from(
    { length: Math.max(0, Math.floor(jobs.length / 3) - LAST.length) },
    (_, index) => MORE[index % MORE.length],
  );
  const deal = (order: readonly string[], misfortunes: readonly (Misfortune | undefined)[], fromSeen: () => number) =>
    misfortunes.flatMap((misfortune, index): Fate[] => {
      const job = order[index % order.length];
      return job === undefined || misfortune === undefined ? [] : [{ job, misfortune, fromSeen: fromSeen() }];
    });
  return [
    ...deal(early, EARLY, () => random.between(1, Math.floor(eventsPerJob / 2))),
    ...deal(last, [...LAST, ...more], () => eventsPerJob),
  ];
}

/** Objects of a job are written in the order of their numbers; their events come in any order, some of them twice. */
function firstWave(jobs: readonly string[], objectsPerJob: number, unreadable: readonly string[], random: Random): Act[] {
  const next = new Map(jobs.map((job) => [job, 0]));
  const writers = shuffled(
    jobs.flatMap((job) => Array.from({ length: objectsPerJob }, () => job)),
    random,
  );
  const timed = writers.flatMap((job, at) => {
    const object = next.get(job) ?? 0;
    next.set(job, object + 1);
    const write: Act = { kind: 'write', job, object };
    const send: Act = { kind: 'send', job, object };
    const sentAt = at + 1 + random.between(0, MAX_LAG);
    const first = [
      { at, act: write },
      { at: sentAt, act: send },
    ];
    return random.chance(DUPLICATES) ? [...first, { at: sentAt + random.between(0, MAX_DUPLICATE_LAG), act: send }] : first;
  });
  const noise = unreadable.map((text) => ({
    at: random.between(0, writers.length),
    act: { kind: 'send-unreadable', text } satisfies Act,
  }));
  return [...timed, ...noise].sort((a, b) => a.at - b.at).map(({ act }) => act);
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
