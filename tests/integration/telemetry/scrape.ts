/** Reads a consumer's /metrics, as Prometheus does. */

export interface Scrape {
  /** The sum of all samples of that name whose labels hold at least these; undefined without any. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined;
}

const SAMPLE = /^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$/i;

export async function scrape(healthUrl: string | undefined): Promise<Scrape> {
  const response = await fetch(`${healthUrl}/metrics`);
  return readMetrics(await response.text());
}

export function readMetrics(page: string): Scrape {
  const samples = page.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = line.startsWith('#') ? [] : (SAMPLE.exec(line) ?? []);
    return name === undefined ? [] : [{ name, labels, value: Number(value) }];
  });
  return {
    value(name, labels = {}) {
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      const found = samples.filter((sample) => sample.name === name && wanted.every((label) => sample.labels.includes(label)));
      return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
    },
  };
}
