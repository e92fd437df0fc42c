/** Paths on this server. */

const segment = encodeURIComponent;

export const jobHref = (job: string): string => `/api/jobs/${segment(job)}`;

export const itemHref = (job: string, stage: string, item: string): string =>
  `${jobHref(job)}/items/${segment(stage)}/${segment(item)}`;

/** `key` is relative to the job's folder. */
export const fileHref = (job: string, key: string): string => `${jobHref(job)}/files/${key.split('/').map(segment).join('/')}`;

export const letterHref = (id: string): string => `/api/dead-letters/${segment(id)}`;

/** A path with those parameters that have a value. */
export function withQuery(path: string, parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const given = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as const],
  );
  return given.length === 0 ? path : `${path}?${new URLSearchParams(Object.fromEntries(given))}`;
}
