/** The W3C `traceparent` header, read and written (www.w3.org/TR/trace-context, version 00). */

export interface TraceparentFields {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
const SAMPLED = 1;

/** Undefined for anything that is none: it comes out of a payload, and a bad one only costs the connection. */
export function parseTraceparent(text: string): TraceparentFields | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & SAMPLED };
}

export function formatTraceparent({ traceId, spanId, traceFlags }: TraceparentFields): string {
  return `00-${traceId}-${spanId}-0${traceFlags & SAMPLED}`;
}
