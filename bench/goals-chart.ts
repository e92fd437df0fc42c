/** The goals as a picture: how much of what it may be each figure is, on a logarithmic scale, with a line where the goal is. */
import { formatFigure } from './goals-table.ts';
import { type Goal, isMet, shareOfGoal } from './measurement.ts';

const WIDTH = 860;
const LABEL_WIDTH = 400;
const ROW_HEIGHT = 26;
const BAR_HEIGHT = 14;
const TOP = 64;
const FIGURE_WIDTH = 170;
/** A hundredth of the goal's cost at the left, four times as much as it allows at the right. */
const LEAST = 0.01;
const MOST = 4;

/** Readable on light and dark pages alike: colours follow the reader's own scheme, and the background stays the page's. */
const STYLE = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 15px; }
  .quiet { fill: #57606a; font-size: 12px; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  .goal { stroke: #57606a; stroke-width: 1.5; stroke-dasharray: 4 3; }
  .met { fill: #1a7f64; }
  .missed { fill: #c2410c; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .goal { stroke: #9198a1; }
    .met { fill: #3fb991; }
    .missed { fill: #f0883e; }
  }`;

export function goalsChart(goals: readonly Goal[]): string {
  const height = TOP + goals.length * ROW_HEIGHT + 14;
  const bottom = height - 10;
  const ticks = [0.01, 0.1, 1];
  const rows = goals.map((goal, index) => {
    const y = TOP + index * ROW_HEIGHT;
    const width = placeOf(shareOfGoal(goal)) - LABEL_WIDTH;
    const figure = `${formatFigure(goal.found, goal.unit)} (${goal.better === 'more' ? '≥' : '<'} ${formatFigure(goal.goal, goal.unit)})`;
    return [
      `<text x="${LABEL_WIDTH - 12}" y="${y + 12}" text-anchor="end">${escaped(goal.what)}</text>`,
      `<rect class="${isMet(goal) ? 'met' : 'missed'}" x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2"/>`,
      `<text class="quiet" x="${WIDTH - 8}" y="${y + 12}" text-anchor="end">${escaped(figure)}</text>`,
    ].join('\n');
  });
  const grid = ticks.map((tick) => {
    const x = placeOf(tick).toFixed(1);
    return [
      `<line class="${tick === 1 ? 'goal' : 'grid'}" x1="${x}" x2="${x}" y1="${TOP - 10}" y2="${bottom}"/>`,
      `<text class="quiet" x="${x}" y="${TOP - 16}" text-anchor="middle">${tick === 1 ? 'goal' : `${100 * tick} %`}</text>`,
    ].join('\n');
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Each figure as a share of what its goal allows">`,
    `<style>${STYLE}\n</style>`,
    '<text class="title" x="8" y="22">What is found, as a share of what its goal allows (shorter is better)</text>',
    ...grid,
    ...rows,
    '</svg>',
  ].join('\n')}\n`;
}

function placeOf(share: number): number {
  const bounded = Math.min(MOST, Math.max(LEAST * 1.05, share));
  const along = Math.log(bounded / LEAST) / Math.log(MOST / LEAST);
  return LABEL_WIDTH + along * (WIDTH - LABEL_WIDTH - FIGURE_WIDTH);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
