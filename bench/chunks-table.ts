/** What the bench prints for people about videos in chunks. */
import { formatTable } from '../cli/terminal.ts';
import type { ChunksReport } from './chunks.ts';

export function chunksTable(report: ChunksReport): string[] {
  const { sourceSeconds, chunkSeconds, pinned, wholeMs, costs, measured, simulated, frames, bytes, quality } = report;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const growth = (100 * (bytes.chunks - bytes.whole)) / bytes.whole;
  const vmaf =
    quality.whole.vmaf === null ? '' : `, VMAF ${quality.chunks.vmaf?.toFixed(2)} against ${quality.whole.vmaf.toFixed(2)}`;
  const row = ({ workers, wallMs, timesFaster }: ChunksReport['measured'][number]) => [
    ...[String(workers), seconds(wallMs), `${timesFaster.toFixed(2)}×`],
  ];
  return [
    `DOWNSAMPLING of ${sourceSeconds} s in ${costs.chunksMs.length} chunks of ${chunkSeconds} s, ${pinned ? 'a core to each worker' : 'workers sharing all cores'}`,
    ...formatTable([['workers', 'wall', 'faster'], ['1, whole', seconds(wholeMs), '1.00×'], ...measured.map(row)]),
    `list ${seconds(costs.listMs)}, list and sound ${seconds(costs.splitMs)}, join ${seconds(costs.joinMs)}`,
    `${frames.chunks} frames against ${frames.whole}, ${growth.toFixed(1)} % more bytes; SSIM ${quality.chunks.ssim.toFixed(5)} against ${quality.whole.ssim.toFixed(5)}${vmaf}`,
    '',
    `Simulated from these costs: ${simulated.videoSeconds / 60} min in ${simulated.chunks} chunks, ${simulated.hopMs} ms between runs, warm workers`,
    ...formatTable([['workers', 'wall', 'faster'], ...simulated.rows.map(row)]),
  ];
}
