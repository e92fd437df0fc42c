/** What workers write in place of media: enough for a check that knows nothing of fingerprints. */
import { canonicalJson } from '../../pipeline/fingerprint.ts';

export interface FakeMedia {
  readonly task: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** The text of every input that was read, by parameter; of a list by parameter and place. */
  readonly read: Readonly<Record<string, string>>;
  /** Different every time, as an encoder's bytes are. */
  readonly noise: number;
}

/** An output that a person made by hand has this for its task. */
export const BY_HAND = 'by hand';

const known = new Map<string, string>();
/** Enough for one world; the next one has texts of its own. */
const MAX_KNOWN = 5_000;

/** What a text says when all noise is taken out of it: two runs of the same work have the same essence. */
export function essenceOf(text: string): string {
  if (!text.startsWith('{"task":')) return text;
  const remembered = known.get(text);
  if (remembered !== undefined) return remembered;
  const { task, parameters, read } = JSON.parse(text) as FakeMedia;
  const essence = mediaEssence(
    task,
    parameters,
    Object.entries(read).map(([name, input]) => [name, essenceOf(input)]),
  );
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(text, essence);
  return essence;
}

/** `read`: the essence of every input. */
export function mediaEssence(
  task: string,
  parameters: Readonly<Record<string, unknown>>,
  read: readonly (readonly [name: string, essence: string])[],
): string {
  return canonicalJson({ task, parameters, read: Object.fromEntries(read) });
}
