import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { silentLogger } from '../../../log.ts';
import { formatTraceparent, parseTraceparent } from '../../../telemetry/traceparent.ts';
import { createTracing, type Tracing, type TracingOptions } from '../../../telemetry/tracing.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../../integration/telemetry/otlp-receiver.ts';

const TRACE_ID = 'a'.repeat(32);
const PARENT = `00-${TRACE_ID}-${'b'.repeat(16)}-01`;

let receiver: OtlpReceiver;
let tracing: Tracing;
const start = (options: Partial<TracingOptions> = {}) =>
  createTracing({
    ...{ url: `${receiver.url}/v1/traces`, serviceName: 'millrace-test', version: '1', log: silentLogger },
    ...{ sampler: 'parentbased_always_on', samplerRatio: 1, ...options },
  });

beforeEach(async () => {
  receiver = await startOtlpReceiver();
  tracing = start();
});
afterEach(async () => {
  await tracing.close();
  await receiver.close();
});

async function received() {
  await tracing.flush();
  return receiver.spans;
}

describe('a span', () => {
  it('is a child of what runs around it, across awaits and side by side', async () => {
    await tracing.span('outer', { parent: null }, async () => {
      await Promise.all(['left', 'right'].map((name) => tracing.span(name, {}, async () => new Promise(setImmediate))));
    });
    const [outer] = (await received()).filter(({ name }) => name === 'outer');
    const children = receiver.spans.filter(({ parentSpanId }) => parentSpanId === outer?.spanId);
    expect(children.map(({ name }) => name).sort()).toEqual(['left', 'right']);
    expect(outer?.service).toBe('millrace-test');
  });

  it('goes on with a trace that came from elsewhere, and hands its own on', async () => {
    let handedOn: string | undefined;
    await tracing.span('process', { parent: PARENT, kind: 'consumer', links: [PARENT, 'nonsense'] }, async () => {
      handedOn = tracing.traceparent();
    });
    const [span] = await received();
    expect(span).toMatchObject({ traceId: TRACE_ID, parentSpanId: 'b'.repeat(16), kind: 5 });
    expect(span?.links).toHaveLength(1);
    expect(handedOn).toBe(`00-${TRACE_ID}-${span?.spanId}-01`);
    expect(tracing.traceparent()).toBeUndefined();
  });

  it.each([null, 'nonsense', `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`])(
    'begins a trace of its own with the parent %s',
    async (parent) => {
      await tracing.span('first', { parent }, async () => {});
      const [span] = await received();
      expect(span?.parentSpanId ?? '').toBe('');
      expect(span?.traceId).not.toBe(TRACE_ID);
    },
  );

  it('says why it failed by its code, throws on, and lets no signature out', async () => {
    const url = 'https://bucket.example.com/key?X-Amz-Signature=abc';
    const failing = tracing.span('upload', { attributes: { url } }, async (span) => {
      span.set({ again: url });
      throw new MillraceError('DESTINATION_REFUSED', `cannot write ${url}`);
    });
    await expect(failing).rejects.toMatchObject({ code: 'DESTINATION_REFUSED' });
    const [span] = await received();
    expect(span).toMatchObject({ attributes: { 'error.type': 'DESTINATION_REFUSED' }, status: { code: 2 } });
    expect(receiver.bodies.join()).toContain('https://bucket.example.com/key?…');
    expect(receiver.bodies.join()).not.toContain('X-Amz-Signature');
  });

  it('is not sent where its trace is not kept, and what it hands on says so', async () => {
    tracing = start({ sampler: 'parentbased_traceidratio', samplerRatio: 0 });
    let handedOn: string | undefined;
    await tracing.span('dropped', { parent: null }, async () => {
      handedOn = tracing.traceparent();
    });
    await tracing.span('kept', { parent: PARENT }, async () => {});
    expect((await received()).map(({ name }) => name)).toEqual(['kept']);
    expect(handedOn).toMatch(/-00$/);
  });
});

it('a collector that is away holds up nobody for long, and costs nothing but the spans', async () => {
  const away = start({ url: 'http://127.0.0.1:9/v1/traces' });
  expect(await away.span('work', { parent: null }, async () => 'done')).toBe('done');
  await away.close();
});

it('a traceparent is read as it is written', () => {
  expect(parseTraceparent(PARENT)).toEqual({ traceId: TRACE_ID, spanId: 'b'.repeat(16), traceFlags: 1 });
  expect(formatTraceparent({ traceId: TRACE_ID, spanId: 'b'.repeat(16), traceFlags: 1 })).toBe(PARENT);
  // A later version may have more fields; ff is none.
  expect(parseTraceparent(`cc-${PARENT.slice(3)}-more`)).toBeDefined();
  expect(parseTraceparent(`ff-${PARENT.slice(3)}`)).toBeUndefined();
});
