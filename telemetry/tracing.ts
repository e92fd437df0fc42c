/**
 * trace.ts by OpenTelemetry: spans in batches to an OTLP/HTTP collector. Loaded only where a collector is configured, because it takes a
 * tenth of a second, which a worker that starts cold has not got.
 *
 * Nothing is registered with OpenTelemetry's globals: what runs around a call is kept here, and no library instruments itself behind our back.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  diag,
  type Link,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { asMillraceError, withoutSecrets } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Span, SpanAttributes, SpanOptions, Trace } from '../trace.ts';
import { type SamplerName, samplerOf } from './sampler.ts';
import { formatTraceparent, parseTraceparent } from './traceparent.ts';

export interface TracingOptions {
  /** Where spans are POSTed to: `http://collector:4318/v1/traces`. */
  readonly url: string;
  /** `service.name`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise. */
  readonly serviceName: string;
  readonly version: string;
  readonly sampler: SamplerName;
  /** For the samplers by ratio: 0 to 1. */
  readonly samplerRatio: number;
  readonly log: Logger;
}

export interface Tracing extends Trace {
  /** Sends what has ended so far. Never rejects. */
  flush(): Promise<void>;
  /** Sends the rest and stops. Never rejects. */
  close(): Promise<void>;
}

/** A collector that is away must hold up neither a worker's end nor a consumer's. */
const FLUSH_TIMEOUT_MS = 3_000;
const MAX_ATTRIBUTE_CHARACTERS = 512;

const KINDS: Readonly<Record<NonNullable<SpanOptions['kind']>, SpanKind>> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};

export function createTracing(options: TracingOptions): Tracing {
  const { log } = options;
  reportTrouble(log);
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': options.serviceName, 'service.version': options.version }))
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: samplerOf(options.sampler, options.samplerRatio),
    spanLimits: { attributeValueLengthLimit: MAX_ATTRIBUTE_CHARACTERS },
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: options.url }) })],
  });
  const tracer = provider.getTracer('millrace', options.version);
  const around = new AsyncLocalStorage<Context>();
  const current = (): Context => around.getStore() ?? ROOT_CONTEXT;

  return {
    async span(name, { kind = 'internal', attributes = {}, parent, links = [] }, work) {
      const context = parent === undefined ? current() : contextOf(parent);
      const span = tracer.startSpan(
        name,
        { kind: KINDS[kind], attributes: safeAttributes(attributes), links: links.flatMap(linkOf) },
        context,
      );
      try {
        return await around.run(trace.setSpan(context, span), () => work(spanOf(span)));
      } catch (thrown) {
        const error = asMillraceError(thrown);
        span.setAttribute('error.type', error.code);
        span.setStatus({ code: SpanStatusCode.ERROR, message: withoutSecrets(error.message) });
        throw thrown;
      } finally {
        span.end();
      }
    },
    traceparent() {
      const found = trace.getSpanContext(current());
      return found === undefined ? undefined : formatTraceparent(found);
    },
    flush: () => within(FLUSH_TIMEOUT_MS, provider.forceFlush()),
    close: () => within(FLUSH_TIMEOUT_MS, provider.shutdown()),
  };
}

function spanOf(span: OtelSpan): Span {
  return {
    set(attributes) {
      span.setAttributes(safeAttributes(attributes));
      if (attributes['error.type'] !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    },
  };
}

/** Whatever somebody puts there by mistake, no signature of a URL leaves this process. */
function safeAttributes(attributes: SpanAttributes): Record<string, string | number | boolean> {
  const entries = Object.entries(attributes).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [[name, typeof value === 'string' ? withoutSecrets(value) : value] as const];
  });
  return Object.fromEntries(entries);
}

function contextOf(traceparent: string | null): Context {
  const parsed = traceparent === null ? undefined : parseTraceparent(traceparent);
  return parsed === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...parsed, isRemote: true });
}

function linkOf(traceparent: string): Link[] {
  const context = parseTraceparent(traceparent);
  return context === undefined ? [] : [{ context }];
}

/** OpenTelemetry's own complaints (the collector does not answer, say) as lines of the log, without what it quotes. */
function reportTrouble(log: Logger): void {
  const say = (message: string, ...details: unknown[]) =>
    log.warn(
      { details: withoutSecrets(details.map(String).join(' ')).slice(0, MAX_ATTRIBUTE_CHARACTERS) },
      withoutSecrets(message),
    );
  const quiet = () => {};
  diag.setLogger({ error: say, warn: say, info: quiet, debug: quiet, verbose: quiet }, { suppressOverrideMessage: true });
}

async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, limitMs);
  await Promise.race([work.catch(() => undefined), late.promise]);
  clearTimeout(timer);
}
