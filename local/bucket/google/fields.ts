/** The `fields` parameter of Google's JSON APIs: only what is asked for is answered, `items(name,size),nextPageToken`. */
import { GoogleError } from './google-error.ts';

type Selection = Map<string, Selection | undefined>;

const MAX_FIELDS_CHARACTERS = 2000;

/** Throws InvalidArgument where `fields` is no selection. */
export function selectFields(resource: unknown, fields: string | undefined): unknown {
  if (fields === undefined || fields === '*') return resource;
  if (fields.length > MAX_FIELDS_CHARACTERS) throw invalid(fields);
  const tokens = fields.match(/[A-Za-z]+|[^A-Za-z]/g) ?? [];
  const selection = parseSelection(tokens);
  if (tokens.length > 0) throw invalid(fields);
  return picked(resource, selection);
}

function parseSelection(tokens: string[]): Selection {
  const selection: Selection = new Map();
  do {
    const name = tokens.shift() ?? '';
    if (!/^[A-Za-z]+$/.test(name)) throw invalid(name);
    let inner: Selection | undefined;
    if (tokens[0] === '(') {
      tokens.shift();
      inner = parseSelection(tokens);
      if (tokens.shift() !== ')') throw invalid(name);
    }
    selection.set(name, inner);
  } while (tokens[0] === ',' && tokens.shift() !== undefined);
  return selection;
}

function picked(value: unknown, selection: Selection): unknown {
  if (Array.isArray(value)) return value.map((entry) => picked(entry, selection));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => selection.has(name));
  return Object.fromEntries(
    entries.map(([name, inner]) => {
      const below = selection.get(name);
      return [name, below === undefined ? inner : picked(inner, below)];
    }),
  );
}

function invalid(found: string): GoogleError {
  return new GoogleError('InvalidArgument', `Invalid field selection ${found.slice(0, 80)}`);
}
