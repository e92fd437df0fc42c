import { describe, expect, test } from 'vitest';
import { createProgressView } from '../../../../cli/demo/progress-view.ts';
import type { Terminal } from '../../../../cli/terminal.ts';
import { planOf, stageOf } from './planned.ts';

function recorder(isLive: boolean) {
  const printed: string[] = [];
  const drawn: (readonly string[])[] = [];
  const terminal: Terminal = {
    print: (line) => printed.push(line),
    note: () => undefined,
    style: (_, text) => text,
    isLive,
    redraw: (lines) => drawn.push(lines),
  };
  return { printed, drawn, view: createProgressView(terminal, () => '1.5 s') };
}

describe('the progress view', () => {
  test('prints a line where it is piped, for what changed alone', () => {
    const { view, printed } = recorder(false);

    view.show([planOf(stageOf('segmentation', ['running', 'running']), stageOf('encoding', []))]);
    view.show([planOf(stageOf('segmentation', ['running', 'running']), stageOf('encoding', []))]);
    view.show([planOf(stageOf('segmentation', ['done', 'running']), stageOf('encoding', []))]);

    expect(printed).toEqual([
      '  1.5 s  demo-talk      segmentation   0/2      2 running',
      '  1.5 s  demo-talk      segmentation   1/2      1 running',
    ]);
  });

  test('takes another reason to wait for no news', () => {
    const { view, printed } = recorder(false);

    view.show([planOf(stageOf('concatenation', ['waiting'], '1 of 10 outputs of clips are there'))]);
    view.show([planOf(stageOf('concatenation', ['waiting'], '2 of 10 outputs of clips are there'))]);

    expect(printed).toHaveLength(1);
  });

  test('draws all jobs over on a terminal, and no stage that is off', () => {
    const { view, drawn, printed } = recorder(true);

    view.show([planOf(stageOf('segmentation', ['done']), stageOf('encoding', []))]);

    expect(printed).toEqual([]);
    expect(drawn).toEqual([['demo-talk  done', `  segmentation  ${'█'.repeat(20)}  1/1`, '', '1.5 s']]);
  });
});
