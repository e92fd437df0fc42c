/** The dashboard, the alert rules and docs/metrics.md name metrics that there are, and the page all of them. */
import { readFileSync } from 'node:fs';
import { parser } from '@prometheus-io/lezer-promql';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { METRICS_PAGE, ownMetrics, withMetrics } from '../../../docs/write-metrics.ts';
import { silentLogger } from '../../../log.ts';
import { createMetrics } from '../../../telemetry/metrics.ts';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

const Rules = z.object({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string().regex(/^Millrace[A-Z][A-Za-z]+$/),
          expr: z.string(),
          for: z
            .string()
            .regex(/^\d+[smh]$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(['page', 'ticket', 'info']) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string() }),
        }),
      ),
    }),
  ),
});
const rules = Rules.parse(parse(read('infra/prometheus/alerts.yml'))).groups.flatMap((group) => group.rules);

const Datasource = z.object({ type: z.literal('prometheus'), uid: z.literal('${datasource}') });
const Target = z.object({ datasource: Datasource, expr: z.string(), refId: z.string() });
const Panel = z.object({ id: z.number(), type: z.string(), title: z.string(), targets: z.array(Target).default([]) });
const Dashboard = z.object({
  title: z.string(),
  panels: z.array(Panel),
  templating: z.object({ list: z.array(z.object({ name: z.string() })) }),
});
const dashboard = Dashboard.parse(JSON.parse(read('infra/grafana/millrace.json')));

const expressions = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
];

const OWN = new Map(ownMetrics().map((metric) => [metric.name, metric]));
const PROCESS = new Set(
  createMetrics({ stages: [], endpoints: [], prices: {}, version: '', log: silentLogger })
    .registry.getMetricsAsArray()
    .map(({ name }) => name),
);

/** Names as the registry has them: a histogram is asked for by its parts. */
function metricsIn(text: string): string[] {
  const names = text.match(/\b(?:millrace|process|nodejs)_[a-z0-9_]+\b/g) ?? [];
  return names.map((name) => (OWN.has(name) || PROCESS.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '')));
}

/** What Grafana fills in. */
const filledIn = (expr: string) => expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', '.*');

function mistakesIn(expr: string): number {
  let mistakes = 0;
  parser.parse(filledIn(expr)).iterate({
    enter(node) {
      if (node.type.isError) mistakes += 1;
    },
  });
  return mistakes;
}

describe.each(expressions)('%s: %s', (_, expr) => {
  it("is PromQL by Prometheus' own grammar", () => {
    expect(mistakesIn(expr)).toBe(0);
  });

  it('asks for metrics that there are, by labels that they have', () => {
    const names = metricsIn(expr);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(OWN.has(name) || PROCESS.has(name), name).toBe(true);
    const known = new Set(['le', 'job', 'instance', ...names.flatMap((name) => OWN.get(name)?.labels ?? [])]);
    const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/));
    const matched = [...expr.matchAll(/([a-z_]+)=~?"/g)].map(([, label = '']) => label);
    for (const label of [...grouped, ...matched]) expect(known, label).toContain(label);
  });
});

it('a broken expression would be noticed', () => {
  expect(mistakesIn('sum(rate(millrace_events_total[5m])')).toBeGreaterThan(0);
});

it('every metric is on the dashboard', () => {
  const shown = new Set(dashboard.panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => metricsIn(expr))));
  expect([...OWN.keys()].filter((name) => !shown.has(name))).toEqual([]);
});

it('panels have ids of their own, and the data source is asked for', () => {
  const ids = dashboard.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(dashboard.templating.list.map(({ name }) => name)).toContain('datasource');
});

it.each(rules)('$alert names no metric in its text that there is not, and no command either', ({ annotations }) => {
  for (const name of metricsIn(annotations.description)) expect(OWN.has(name), name).toBe(true);
  const commands = [...annotations.description.matchAll(/`millrace ([a-z-]+)/g)].map(([, command]) => command);
  for (const command of commands)
    expect(read('cli/main.ts')).toContain(`${command?.includes('-') ? `'${command}'` : command}: async`);
});

it('docs/metrics.md scrapes consumers without a token, and the API with one', () => {
  const [, snippet = ''] = /```yaml prometheus\.yml\n([\s\S]*?)```/.exec(readFileSync(METRICS_PAGE, 'utf8')) ?? [];
  const Scrape = z.strictObject({
    job_name: z.string(),
    authorization: z.strictObject({ credentials_file: z.string() }).optional(),
    static_configs: z.array(z.strictObject({ targets: z.array(z.string().regex(/^[\w.]+:\d+$/)) })),
  });
  const { scrape_configs } = z.strictObject({ scrape_configs: z.array(Scrape) }).parse(parse(snippet));
  expect(scrape_configs.map(({ job_name, authorization }) => [job_name, authorization !== undefined])).toEqual([
    ['millrace-consumer', false],
    ['millrace-api', true],
  ]);
});

it('docs/metrics.md is equal to the registry it is made from', () => {
  const page = readFileSync(METRICS_PAGE, 'utf8');
  expect(page, 'out of date: run `node docs/write-metrics.ts`').toBe(withMetrics(page));
});

it.each([...OWN.values()])('$name has a name as Prometheus wants it, and a sentence', ({ name, type, labels, help }) => {
  expect(name).toMatch(/^millrace_[a-z_]+$/);
  expect(name.endsWith('_total')).toBe(type === 'counter');
  expect(name).not.toMatch(/_(ms|milliseconds|minutes|kb|mb|gb)(_|$)/);
  expect(labels.filter((label) => /job|item|key|run|message/.test(label))).toEqual([]);
  expect(help).toMatch(/^.{10,}\.$/);
});
