/** `node docs/write-metrics.ts`: writes the table of metrics in docs/metrics.md, between its markers, from the registry. */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Registry } from 'prom-client';
import { silentLogger } from '../log.ts';
import { createApiMetrics } from '../telemetry/api-metrics.ts';
import { addConsumerGauges } from '../telemetry/consumer-gauges.ts';
import { createMetrics } from '../telemetry/metrics.ts';

export const METRICS_PAGE = new URL('./metrics.md', import.meta.url);

export interface MetricRow {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

/** Every metric of a consumer and of the API but those of the process itself, which prom-client names. */
export function ownMetrics(): MetricRow[] {
  const { registry } = createMetrics({ stages: [], endpoints: [], prices: {}, version: '', log: silentLogger });
  addConsumerGauges(registry, {
    consumer: () => ({ running: true, paused: false, lastPollMs: undefined, failedPolls: 0, inFlight: 0, full: false }),
    isStalled: () => false,
    isBucketReachable: () => true,
    turns: () => ({ running: 0, waiting: 0 }),
    queueDepth: async () => ({ ready: 0, inFlight: 0, delayed: 0, deadLetters: 0 }),
  });
  createApiMetrics({ version: '', openStreams: () => 0, registry });
  return rowsOf(registry).filter(({ name }) => name.startsWith('millrace_'));
}

/** prom-client's own declarations leave out what its metrics are made with. */
interface Described {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

function rowsOf(registry: Registry): MetricRow[] {
  return registry.getMetricsAsArray().map((metric) => {
    // Every metric of prom-client has these two fields besides what its type names.
    const { name, help, labelNames } = metric as unknown as Described;
    return { name, type: typeOf(metric.constructor.name), labels: labelNames.filter((label) => label !== 'le'), help };
  });
}

function typeOf(constructorName: string): MetricRow['type'] {
  const type = constructorName.toLowerCase();
  if (type === 'counter' || type === 'gauge' || type === 'histogram') return type;
  throw new Error(`a metric of the unknown kind ${constructorName}`);
}

/** The page with its table made anew. */
export function withMetrics(page: string): string {
  const rows = ownMetrics().map(({ name, type, labels, help }) => {
    return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${help} |`;
  });
  const table = ['| metric | type | labels | what it says |', '| --- | --- | --- | --- |', ...rows].join('\n');
  const between = /(<!-- metrics:[^>]*-->\n)[\s\S]*?(<!-- \/metrics -->)/;
  if (!between.test(page)) throw new Error('docs/metrics.md has no markers for its table');
  return page.replace(between, (_, begin: string, end: string) => `${begin}\n${table}\n\n${end}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(METRICS_PAGE, withMetrics(readFileSync(METRICS_PAGE, 'utf8')));
