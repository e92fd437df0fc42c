/** Reads what a run carries, as the worker that it is for would. */
import type { RunContext } from '../../manifests/run-context.ts';
import { isPresigned } from './memory-bucket.ts';

export interface RunItem extends Readonly<Record<string, unknown>> {
  readonly output_put_url: string;
  readonly millrace: RunContext & { readonly succeeded_put_url: string; readonly failed_put_url: string };
}

/** The items that a run of our own worker carries. */
export function itemsOf(input: Readonly<Record<string, unknown>>): readonly RunItem[] {
  const parameters = input.parameters as RunItem | { readonly segments: readonly RunItem[] };
  return 'segments' in parameters && Array.isArray(parameters.segments) ? parameters.segments : [parameters as RunItem];
}

export interface InputUrl {
  /** Its parameter; in a list its parameter and place. */
  readonly name: string;
  readonly url: string;
  /** The version that it was planned with. */
  readonly etag: string | undefined;
}

export interface ItemWork {
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly inputs: readonly InputUrl[];
}

/** What an item asks for: its inputs, and the parameters that are none. */
export function workOf(item: RunItem): ItemWork {
  const parameters: Record<string, unknown> = {};
  const inputs: InputUrl[] = [];
  for (const [name, value] of Object.entries(item)) {
    if (name === 'millrace' || name === 'output_put_url') continue;
    const list = Array.isArray(value) ? value : [value];
    const urls = list.filter(isPresigned);
    if (urls.length === 0) {
      parameters[name] = value;
      continue;
    }
    const etags = [item.millrace.input_etags?.[name] ?? []].flat();
    for (const [index, url] of urls.entries()) {
      inputs.push({ name: Array.isArray(value) ? `${name}.${index}` : name, url, etag: etags[index] ?? undefined });
    }
  }
  return { parameters, inputs };
}
