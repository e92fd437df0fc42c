/** Plans as small as a test needs them. */
import type { ItemPhase, Plan, PlannedStage } from '../../../../pipeline/plan-types.ts';

/** Without phases the stage is off. */
export function stageOf(name: string, phases: readonly ItemPhase[], why = ''): PlannedStage {
  const items = phases.map((phase, index) => {
    const item = { stage: name, item: String(index), phase, why: phase === 'waiting' ? why : '', outputKey: '' };
    return { ...item, fingerprint: '', fanOut: true, attempt: 0 };
  });
  return { name, phase: items.length === 0 ? 'off' : 'active', why: '', items };
}

export function planOf(...stages: PlannedStage[]): Plan {
  const needs = { documents: [], marks: [], failures: [] };
  return {
    job: 'demo-talk',
    stages,
    dispatch: [],
    cancel: [],
    landed: [],
    problems: [],
    webhooks: null,
    needs,
    stopped: null,
    retryAtMs: null,
  };
}
