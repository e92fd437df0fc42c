import { describe, expect, it } from 'vitest';
import { costDocument, costOf, priceOf } from '../../../pipeline/cost.ts';
import type { MeasuredResult } from '../../../pipeline/measured-result.ts';

function result(given: Partial<MeasuredResult>): MeasuredResult {
  const name = { stage: 'cut', item: '0', fingerprint: 'f', attempt: 1 };
  const nothing = { code: undefined, runId: 'run-1', bytesRead: undefined, bytesWritten: undefined, mediaSeconds: undefined };
  const unmeasured = { workerSeconds: undefined, runSeconds: undefined, executionSeconds: undefined };
  return { ...name, status: 'succeeded', endpoint: 'default', ...nothing, ...unmeasured, ...given };
}

const stage = (results: readonly MeasuredResult[], outputSeconds = 0, name = 'cut') => ({ stage: name, results, outputSeconds });

describe('the cost of a stage', () => {
  it('is the time of its runs, the shares of a batch added up, times the price', () => {
    const batch = [
      result({ item: '0', runSeconds: 2, workerSeconds: 3 }),
      result({ item: '1', runSeconds: 1, workerSeconds: 3 }),
    ];
    expect(costOf([stage(batch)], { default: 0.5 })).toMatchObject({ gpuSeconds: 3, usd: 1.5, attempts: 2 });
  });

  it('counts attempts that failed or were replaced, and none that RunPod refused', () => {
    const attempts = [
      result({ attempt: 1, runId: 'a', status: 'refused', runSeconds: 9 }),
      result({ attempt: 2, runId: 'b', status: 'failed', runSeconds: 2 }),
      result({ attempt: 3, runId: 'c', runSeconds: 4 }),
    ];
    expect(costOf([stage(attempts)], { default: 1 })).toMatchObject({ gpuSeconds: 6, usd: 6, attempts: 2, unmeasured: 0 });
  });

  it("takes RunPod's count of a run where it is more than what its items say, once for the whole run", () => {
    const batch = [
      result({ item: '0', runSeconds: 2 }),
      result({ item: '1', status: 'failed', executionSeconds: 5 }),
      result({ item: '2', status: 'failed', executionSeconds: 5 }),
    ];
    expect(costOf([stage(batch)], { default: 1 })).toMatchObject({ gpuSeconds: 5, unmeasured: 0 });
  });

  it('says how many attempts nobody measured, instead of taking them for free', () => {
    const attempts = [result({ runId: undefined, status: 'cancelled' }), result({ runSeconds: 1 })];
    expect(costOf([stage(attempts)], { default: 1 })).toMatchObject({ gpuSeconds: 1, attempts: 2, unmeasured: 1 });
  });

  it("has each endpoint's own price, and the common one for the others", () => {
    const prices = { default: 1, talker: 10 };
    const runs = [result({ runId: 'a', runSeconds: 2 }), result({ runId: 'b', endpoint: 'talker', runSeconds: 2 })];
    expect(costOf([stage(runs)], prices).usd).toBe(22);
    expect(priceOf({ talker: 10 }, 'default')).toBe(0);
    expect(priceOf(prices, 'constructor')).toBe(1);
  });

  it('is seconds alone without a price', () => {
    expect(costOf([stage([result({ runSeconds: 2 })], 60)], {})).toMatchObject({
      ...{ gpuSeconds: 2, usd: null, usdPerOutputMinute: null, outputMinutes: 1 },
    });
  });
});

describe('the cost of a job', () => {
  it('is that of all its stages, by the minutes of the stage that made most', () => {
    const stages = [stage([result({ runSeconds: 6 })], 60, 'cut'), stage([result({ runId: 'x', runSeconds: 4 })], 120, 'join')];
    const cost = costOf(stages, { default: 1 });
    expect(cost).toMatchObject({ gpuSeconds: 10, usd: 10, outputMinutes: 2, usdPerOutputMinute: 5 });
    expect(cost.stages.map((each) => [each.stage, each.usdPerOutputMinute])).toEqual([
      ['cut', 6],
      ['join', 2],
    ]);
  });

  it('is nothing for a job without results', () => {
    expect(costOf([], { default: 1 })).toMatchObject({ usd: 0, attempts: 0, usdPerOutputMinute: null, stages: [] });
  });

  it('is shown in rounded figures, null where there is no price', () => {
    const document = costDocument(costOf([stage([result({ runSeconds: 1 / 3 })], 20)], { default: 0.1 }));
    const figures = {
      gpu_sec: 0.333,
      usd: 0.033333,
      attempts: 1,
      unmeasured: 0,
      output_minutes: 0.3333,
      usd_per_output_minute: 0.1,
    };
    expect(document).toEqual({ ...figures, stages: [{ name: 'cut', ...figures }] });
  });
});
