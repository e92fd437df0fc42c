/**
 * How the version of a Google object is written where an ETag is expected.
 *
 * Google has no ETag that serves: the XML API's is the MD5 of most objects but not of composite or customer-encrypted ones, the JSON
 * API's is another one, and its listings leave the MD5 of some objects out. Every answer of both APIs names the generation, which
 * changes with every write. No store writes ETags in this form, so whoever reads one knows which header to compare.
 */
const FORM = /^generation-(\d{1,20})$/;

export function generationVersion(generation: string): string {
  return `generation-${generation}`;
}

/** The generation in it, or `undefined` where the version is an ETag. */
export function generationOf(version: string | undefined): string | undefined {
  return FORM.exec(version ?? '')?.[1];
}
