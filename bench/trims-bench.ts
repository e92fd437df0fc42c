/** Many short segments of one long master, over a slow network and a fast one. */
import { formatBytes, formatTable } from '../cli/terminal.ts';
import type { Bench, Goal } from './measurement.ts';
import { measureTrims, type TrimsOptions, type TrimsReport, type TrimsRow } from './trims.ts';

/** A bucket in the same region, roughly. */
const THROTTLE = { bitsPerSecond: 1e9, latencyMs: 20 };
const FULL: TrimsOptions = { masterMinutes: 120, segments: 100, naiveSegments: 3, networks: [THROTTLE, null] };
const QUICK: TrimsOptions = { masterMinutes: 10, segments: 10, naiveSegments: 2, networks: [null] };

export const trims: Bench<readonly TrimsReport[]> = {
  name: 'trims',
  measure: (quick) => measureTrims(quick ? QUICK : FULL),
  table: (reports) => reports.flatMap((report, index) => [...(index === 0 ? [] : ['']), ...trimsTable(report)]),
  // A small master on a fast network is not what the goals are about.
  goals: (reports) => reports.filter(({ throttle }) => throttle !== null).flatMap(goalsOf),
};

const LEAST_TIMES_FASTER = { m4a: 10, mp3: 10, wav: 100 };

function goalsOf({ rows, batchSize }: TrimsReport): Goal[] {
  const batches = rows.filter(({ way }) => way === 'batches');
  const most = (of: (row: TrimsRow) => number) => Math.max(...batches.map(of));
  return [
    ...batches.map(({ format, timesFaster }): Goal => {
      const what = `100 segments of a ${format} in runs of ${batchSize}, against naive`;
      return { what, found: timesFaster, goal: LEAST_TIMES_FASTER[format], unit: '×', better: 'more' };
    }),
    {
      ...{ what: 'bytes read for them, of the naive way', unit: '%', better: 'less' },
      ...{ found: most(({ bytesShare }) => 100 * bytesShare), goal: 3 },
    },
    {
      ...{ what: "memory for them, above ffmpeg's own", unit: 'MB', better: 'less' },
      ...{ found: most(({ rssGrowthBytes }) => rssGrowthBytes / 1e6), goal: 150 },
    },
  ];
}

const WAY_NAMES: Readonly<Record<TrimsRow['way'], (batchSize: number) => string>> = {
  batches: (batchSize) => `runs of ${batchSize}`,
  singles: () => 'runs of one',
  naive: () => 'naive',
};

export function trimsTable(report: TrimsReport): string[] {
  const { rows, segments, segmentSeconds, masterMinutes, batchSize, throttle } = report;
  const line =
    throttle === null ? 'as fast as loopback is' : `${throttle.bitsPerSecond / 1e9} Gbit/s, ${throttle.latencyMs} ms a request`;
  const naiveMeasured = rows.find(({ way }) => way === 'naive')?.segmentsMeasured ?? 0;
  return [
    `${segments} segments of ${segmentSeconds} s from a master of ${masterMinutes} min; network: ${line}`,
    ...formatTable([
      ['master', 'way', 'wall', 'faster', 'read', 'share', 'requests', 'memory'],
      ...rows.map((row) => [
        row.format,
        WAY_NAMES[row.way](batchSize) + (row.segmentsMeasured < segments ? ' *' : ''),
        `${(row.wallMs / 1000).toFixed(1)} s`,
        `${row.timesFaster.toFixed(1)}×`,
        formatBytes(row.downloadedBytes),
        `${(100 * row.bytesShare).toFixed(2)} %`,
        String(Math.round(row.downloads)),
        `+${formatBytes(Math.max(0, row.rssGrowthBytes))}`,
      ]),
    ]),
    ...(naiveMeasured < segments
      ? [`* Measured on ${naiveMeasured} segments, extrapolated to ${segments}: the whole master each time, one after the other.`]
      : []),
  ];
}
