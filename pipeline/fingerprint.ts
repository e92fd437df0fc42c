/** The fingerprint: what makes an output up to date. */
import { hash } from 'node:crypto';

/** Half of a SHA-256: enough that no two of a job's items ever meet, short enough for keys. */
const FINGERPRINT_CHARACTERS = 32;

export interface Ingredients {
  /** The task's name, or the endpoint that a stage names. */
  readonly task: string;
  /** With URIs, never with presigned URLs. */
  readonly parameters: unknown;
  readonly outputUri: string;
  /** The version of every input, in the order of the stage's input names. */
  readonly versions: readonly (readonly [name: string, version: string | readonly string[]])[];
}

export function fingerprintOf({ task, parameters, outputUri, versions }: Ingredients): string {
  const text = `[${JSON.stringify(task)},${canonicalJson(parameters)},${JSON.stringify(outputUri)},${versionsJson(versions)}]`;
  return hash('sha256', text, 'hex').slice(0, FINGERPRINT_CHARACTERS);
}

const versionTexts = new WeakMap<Ingredients['versions'], string>();

/** The items of a stage share one list of versions, unless they have inputs of their own. */
function versionsJson(versions: Ingredients['versions']): string {
  const known = versionTexts.get(versions);
  if (known !== undefined) return known;
  const text = canonicalJson(versions);
  versionTexts.set(versions, text);
  return text;
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
