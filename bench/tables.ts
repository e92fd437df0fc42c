/** What the bench prints for people. */
import { formatBytes, formatTable } from '../cli/terminal.ts';
import type { ColdStart, ColdStartReport } from './cold-start.ts';
import type { TrimsReport, TrimsRow } from './trims.ts';

const WAY_NAMES: Readonly<Record<TrimsRow['way'], (batchSize: number) => string>> = {
  batches: (batchSize) => `runs of ${batchSize}`,
  singles: () => 'runs of one',
  naive: () => 'naive',
};

export function trimsTable(report: TrimsReport): string[] {
  const { rows, segments, segmentSeconds, masterMinutes, batchSize, throttle, ffmpeg } = report;
  const line =
    throttle === null ? 'as fast as loopback is' : `${throttle.bitsPerSecond / 1e9} Gbit/s, ${throttle.latencyMs} ms a request`;
  const naiveMeasured = rows.find(({ way }) => way === 'naive')?.segmentsMeasured ?? 0;
  return [
    `${segments} segments of ${segmentSeconds} s from a master of ${masterMinutes} min; network: ${line}; ffmpeg ${ffmpeg}`,
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
        `+${formatBytes(row.rssGrowthBytes)}`,
      ]),
    ]),
    ...(naiveMeasured < segments
      ? [`* Measured on ${naiveMeasured} segments, extrapolated to ${segments}: the whole master each time, one after the other.`]
      : []),
  ];
}

export function coldStartTable({ rounds, emptyProcessMs, withCompileCache, withoutCompileCache }: ColdStartReport): string[] {
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  const row = (name: string, { loadedMs, firstTakeMs, readyMs, emptyProcesses }: ColdStart) => [
    ...[name, ms(loadedMs), ms(firstTakeMs), `${emptyProcesses.toFixed(1)}×`, ms(readyMs)],
  ];
  return [
    `A cold worker until it asks for its first job; medians of ${rounds} starts, since spawning`,
    ...formatTable([
      ['start', 'loaded', 'first job-take', 'against node -e 0', 'ready for a job'],
      row('with compile cache', withCompileCache),
      row('without', withoutCompileCache),
      ['node -e 0', '', ms(emptyProcessMs), '1.0×', ''],
    ]),
  ];
}
