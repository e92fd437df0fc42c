/** The fingerprint: what makes an output up to date. */
import { hash } from 'node:crypto';

/** Half of a SHA-256: enough that no two of a job's items ever meet, short enough for keys. */
const FINGERPRINT_CHARACTERS = 32;

/** What all items of a stage share, unless they have inputs of their own. */
export interface SharedIngredients {
  /** The task's name, or the endpoint that a stage names. */
  readonly task: string;
  /** The version of every input, in the order of the stage's input names. */
  readonly versions: readonly (readonly [name: string, version: string | readonly string[]])[];
}

export interface Ingredients extends SharedIngredients {
  /** Canonical JSON, with URIs, never with presigned URLs. */
  readonly parameters: string;
  readonly outputUri: string;
}

export function fingerprintOf({ parameters, outputUri, ...shared }: Ingredients): string {
  return fingerprinter(shared)(parameters, outputUri);
}

/** The same for many items: what they share is written once. */
export function fingerprinter({ task, versions }: SharedIngredients): (parameters: string, outputUri: string) => string {
  const begin = `[${JSON.stringify(task)},`;
  const end = `,${canonicalJson(versions)}]`;
  return (parameters, outputUri) => {
    const text = `${begin}${parameters},${JSON.stringify(outputUri)}${end}`;
    return hash('sha256', text, 'hex').slice(0, FINGERPRINT_CHARACTERS);
  };
}

/** One digest for a list of versions, so that a fan-in over thousands of outputs is hashed once for all its items. */
export function digestOf(values: readonly string[]): string {
  return hash('sha256', JSON.stringify(values), 'hex').slice(0, FINGERPRINT_CHARACTERS);
}

/** JSON with the names of every object in order, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  let text = '';
  if (Array.isArray(value)) {
    for (const entry of value) text += `${text === '' ? '' : ','}${canonicalJson(entry)}`;
    return `[${text}]`;
  }
  const fields = value as Record<string, unknown>;
  // By code units, which is how texts are compared.
  for (const name of Object.keys(fields).sort()) {
    const entry = fields[name];
    if (entry !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(entry)}`;
  }
  return `{${text}}`;
}
