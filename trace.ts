/**
 * Where time goes, for whoever wants to know: the few words that the pipeline, the consumers and the worker say about it. Nothing is
 * recorded unless one is handed in; telemetry/ makes one that sends OpenTelemetry spans, and no other folder knows that.
 */

/** Never a URL with a query string, never an error's own text: see `telemetry/tracing.ts` for what becomes of them. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

export interface SpanOptions {
  /** As OpenTelemetry has them: `server` answers a request, `producer` hands work to a queue, `consumer` takes it from one. `internal` unless told. */
  readonly kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly attributes?: SpanAttributes;
  /** A W3C `traceparent`; `null` begins a trace of its own. What runs around the call unless given. */
  readonly parent?: string | null | undefined;
  /** Others that it belongs to as well: one look at a job answers many messages. */
  readonly links?: readonly string[];
}

export interface Span {
  set(attributes: SpanAttributes): void;
}

export interface Trace {
  /** Runs `work` inside a span; what it throws ends the span as failed and is thrown on. */
  span<T>(name: string, options: SpanOptions, work: (span: Span) => Promise<T>): Promise<T>;
  /** The W3C `traceparent` of the span that runs around the call; undefined outside of any. */
  traceparent(): string | undefined;
}

const NO_SPAN: Span = { set: () => {} };

export const untraced: Trace = {
  span: (_name, _options, work) => work(NO_SPAN),
  traceparent: () => undefined,
};
