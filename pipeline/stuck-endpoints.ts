/**
 * Runs that RunPod has had in its queue for longer than their stage's patience. RunPod itself only says IN_QUEUE, whether its workers are
 * busy, throttled, or crash at every start: the endpoint's health tells these apart, so it is reported beside them.
 */
import { asMillraceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Dispatcher, EndpointHealth } from './dispatcher.ts';
import type { AttemptName } from './layout.ts';
import type { Observed } from './observer.ts';

interface Stuck {
  readonly job: string;
  readonly claim: AttemptName;
}

export class StuckEndpoints {
  readonly #dispatcher: Dispatcher;
  readonly #log: Logger;
  readonly #observe: Observed['observe'];
  readonly #stuck = new Map<string, Stuck[]>();

  constructor({ dispatcher, log, observe }: Observed & { readonly dispatcher: Dispatcher; readonly log: Logger }) {
    this.#dispatcher = dispatcher;
    this.#log = log;
    this.#observe = observe;
  }

  add(endpoint: string, job: string, claim: AttemptName): void {
    const known = this.#stuck.get(endpoint) ?? [];
    this.#stuck.set(endpoint, known);
    known.push({ job, claim });
  }

  /** One line an endpoint. Never throws. */
  async report(signal?: AbortSignal): Promise<void> {
    for (const [endpoint, [first, ...more]] of this.#stuck) {
      if (first === undefined) continue;
      const { job, claim } = first;
      const context = { endpoint, queued: more.length + 1, job, stage: claim.stage, item: claim.item, attempt: claim.attempt };
      try {
        const health = await this.#dispatcher.health(endpoint, signal);
        this.#observe?.('endpoint stuck', { endpoint, queued: context.queued, health });
        this.#log.error({ ...context, ...health }, `runs wait at RunPod past their patience: ${reasonOf(health)}`);
      } catch (thrown) {
        this.#observe?.('endpoint stuck', { endpoint, queued: context.queued, health: null });
        this.#log.error({ ...context, error: asMillraceError(thrown) }, 'runs wait at RunPod past their patience');
      }
    }
  }
}

/** What the counts of its workers mean for a run that waits. */
export function reasonOf({ workers }: Pick<EndpointHealth, 'workers'>): string {
  if (workers.unhealthy > 0) return 'workers are unhealthy; look at their logs for what they say at start';
  if (workers.throttled > 0) return 'workers are throttled: RunPod has no GPU of the chosen kinds to give';
  if (workers.running > 0) return 'all workers are busy; let the endpoint have more of them';
  if (workers.initializing > 0) return 'workers are starting; if this goes on, look at their logs: they may crash at every start';
  return 'no worker is there; check how many the endpoint may have';
}
