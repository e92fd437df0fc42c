/**
 * Plans a stage whose source may be made in chunks, together with the stage that makes them. Whoever works on it first finds out how
 * long the source is: a short one it makes whole, and no chunk is ever heard of. For a long one it writes the list of chunks, and the
 * sound, and leaves a `split` result. What the output is to be made from has one fingerprint in both cases.
 */
import { ChunkList } from '../manifests/chunks.ts';
import { type Parsed, parseValue } from '../manifests/parse.ts';
import { chunkKeys, joinStageOf } from './chunk-stage.ts';
import type { GraphStage } from './graph.ts';
import { type ItemProblem, type ItemSource, isProblems, outputKeys } from './output-keys.ts';
import { documentOf, type PlanContext } from './plan-context.ts';
import { findFanIn } from './plan-inputs.ts';
import { planItems, type StageItems } from './plan-items.ts';
import type { ItemPhase, PlannedDispatch, PlannedItem, PlannedStage, ResolvedInput, StagePhase } from './plan-types.ts';
import { writingId } from './snapshot.ts';

export interface PlannedInChunks extends StageItems {
  readonly phase: StagePhase;
  readonly why: string;
  readonly chunks: PlannedStage;
}

/** `whole`: the stage's one item, planned as if there were no chunks. */
export function planInChunks(
  context: PlanContext,
  source: ItemSource,
  chunkStage: GraphStage,
  whole: StageItems,
): PlannedInChunks | ItemProblem[] {
  const { stage } = source;
  const active = { ...whole, phase: 'active', why: '' } as const;
  const [item] = whole.items;
  const without = (phase: StagePhase, why: string) => ({ ...active, chunks: chunkless(chunkStage, phase, why) });
  if (item === undefined || item.fingerprint === '') return without('waiting', item?.why ?? '');
  const list = currentList(context, stage, item.fingerprint);
  if (list === 'unread') return without('waiting', `${chunkKeys(stage.name).list} must be read first`);
  if (list === null) return without('off', `${stage.name} has not been split`);

  const chunkSource = chunkSourceOf(source, chunkStage, list);
  const keys = outputKeys(context, chunkSource);
  if (isProblems(keys)) return keys;
  const planned = planItems(context, chunkSource, keys);
  if (isProblems(planned)) return planned;

  const isEnded = planned.items.every(({ phase }) => phase === 'done' || phase === 'removed');
  if (item.phase === 'done' && !isEnded) return without('off', `${stage.name} is done without them`);
  const isWanted = WANTS_CHUNKS.has(item.phase);
  const items = planned.items.map((chunk) => settledChunk(chunk, item, stage));
  const chunks: PlannedStage = { name: chunkStage.name, phase: 'active', why: '', items };
  context.planned.set(chunkStage.name, chunks);
  const [dispatch] = whole.dispatch;
  const chunkDispatch = isWanted ? planned.dispatch : [];
  if (dispatch === undefined) return { ...active, dispatch: chunkDispatch, chunks };

  const sound = findSound(context, stage, list, item.fingerprint);
  // Split once more: the same chunks, of which none is lost, and the sound that is missing.
  if (sound === 'missing') return { ...active, dispatch: [...chunkDispatch, dispatch], chunks };
  if (sound === 'unread') return { ...active, items: [{ ...item, phase: 'unknown', why: '' }], dispatch: [], chunks };
  const all = findFanIn(context, chunkStage.name);
  if (all.kind !== 'there') {
    const why = all.kind === 'unwanted' ? '' : all.why;
    const phase = all.kind === 'blocked' ? 'blocked' : 'active';
    return { phase, why, items: [{ ...item, phase: 'waiting', why, attempt: 0 }], dispatch: chunkDispatch, chunks };
  }
  const inputs = new Map([['chunks', all.input], ...(sound === null ? [] : ([['sound', sound]] as const))]);
  const why = `its ${list.chunks.length} chunks are there, to be joined`;
  const join: PlannedDispatch = { ...dispatch, why, inputs, graphStage: joinStageOf(stage, list) };
  return { ...active, items: [{ ...item, why }], dispatch: [...chunkDispatch, join], chunks };
}

/** The chunk stage where there is nothing to be said of chunks: no items, so nobody is shown it. */
export function chunkless({ name }: GraphStage, phase: StagePhase, why: string): PlannedStage {
  return { name, phase, why, items: [] };
}

/** In any other phase of the whole its chunks are of no use. */
const WANTS_CHUNKS: ReadonlySet<ItemPhase> = new Set(['running', 'dispatch', 'retrying']);

function settledChunk(chunk: PlannedItem, whole: PlannedItem, stage: GraphStage): PlannedItem {
  if (whole.phase === 'done' && chunk.phase === 'removed') return { ...chunk, phase: 'done', why: 'joined, and gone since' };
  if (chunk.phase === 'dispatch' && !WANTS_CHUNKS.has(whole.phase))
    return { ...chunk, phase: 'waiting', why: `${stage.name} is ${whole.phase}`, attempt: 0 };
  return chunk;
}

function chunkSourceOf({ manifest, inputs }: ItemSource, stage: GraphStage, list: ChunkList): ItemSource {
  const own = [...inputs].filter(([name]) => Object.hasOwn(stage.inputs ?? {}, name));
  return { stage, manifest, entries: list.chunks, inputs: new Map(own) };
}

/** `null`: there is none that was made for this fingerprint. A list of another, or one that nobody can read, is about to be overwritten. */
function currentList(context: PlanContext, stage: GraphStage, fingerprint: string): ChunkList | null | 'unread' {
  const object = context.snapshot.objects.get(chunkKeys(stage.name).list);
  if (object === undefined) return null;
  const document = documentOf(context, object);
  if (document === null) return 'unread';
  const list = listOf(document);
  const isOurs = list !== null && list.fingerprint === fingerprint && list.chunks.length <= context.settings.maxSegments;
  return isOurs ? list : null;
}

/** A job is planned again and again: its list is checked once. */
const parsedLists = new WeakMap<Parsed<unknown>, ChunkList | null>();

function listOf(document: Parsed<unknown>): ChunkList | null {
  const known = parsedLists.get(document);
  if (known !== undefined) return known;
  const parsed = document.ok ? parseValue(ChunkList, document.value) : document;
  const list = parsed.ok ? parsed.value : null;
  parsedLists.set(document, list);
  return list;
}

/** The sound carries its writer's mark, because it lies where that of other inputs may have lain. `null`: none is wanted. */
function findSound(
  { snapshot, marks }: PlanContext,
  stage: GraphStage,
  list: ChunkList,
  fingerprint: string,
): ResolvedInput | null | 'missing' | 'unread' {
  if (!list.sound) return null;
  const object = snapshot.objects.get(chunkKeys(stage.name).sound);
  if (object === undefined) return 'missing';
  const mark = snapshot.facts.marks.get(writingId(object));
  if (mark === undefined) {
    marks.set(object.key, object);
    return 'unread';
  }
  return mark === fingerprint ? { many: false, objects: [object], version: fingerprint } : 'missing';
}
