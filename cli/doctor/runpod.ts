/** Whether RunPod takes the key, and whether the endpoints that the settings name have workers to give. Starts no run. */

import { asMillraceError } from '../../errors.ts';
import type { EndpointHealth } from '../../pipeline/dispatcher.ts';
import { reasonOf } from '../../pipeline/stuck-endpoints.ts';
import { createRunpod } from '../deployment.ts';
import type { Check } from './check.ts';
import { type Finding, ok, skipped, wrong } from './finding.ts';

export const runpod: Check = {
  name: 'runpod',
  needs: [],
  fix: 'Check RUNPOD_ENDPOINT and RUNPOD_API_KEY, and the network.',
  async run({ config, log }, signal) {
    if (config.RUNPOD_ENDPOINT === undefined || config.RUNPOD_API_KEY === undefined) {
      return [skipped('RUNPOD_ENDPOINT and RUNPOD_API_KEY are not both set')];
    }
    const client = createRunpod(config, log);
    const names = ['default', ...config.MILLRACE_ENDPOINTS.map((pair) => pair.slice(0, pair.indexOf('=')))];
    return Promise.all(
      names.map(async (name): Promise<Finding> => {
        const setting = name === 'default' ? 'RUNPOD_ENDPOINT' : `MILLRACE_ENDPOINTS (${name})`;
        try {
          return judgeHealth(name, await client.health(name, signal));
        } catch (thrown) {
          const { code, message, fix } = asMillraceError(thrown);
          return wrong(`endpoint ${name}: ${message} (${code})`, (fix ?? runpod.fix).replace('RUNPOD_ENDPOINT', setting));
        }
      }),
    );
  },
};

/** No worker is no fault: an endpoint without work has none, and is not paid for. */
export function judgeHealth(name: string, health: EndpointHealth): Finding {
  const { idle, initializing, ready, running, throttled, unhealthy } = health.workers;
  const { inQueue, inProgress } = health.jobs;
  const usable = Math.max(ready, idle) + running;
  const counts = `${usable} workers ready or running, ${initializing} starting, ${throttled} throttled, ${unhealthy} unhealthy; ${inQueue} runs queued, ${inProgress} running`;
  if (unhealthy > 0)
    return wrong(
      `endpoint ${name}: ${reasonOf(health)} (${counts})`,
      "Read the workers' logs in RunPod's console, and mend or roll back the image: infra/runpod has the commands.",
    );
  if (throttled > 0 && usable + initializing === 0) {
    return wrong(
      `endpoint ${name}: ${reasonOf(health)} (${counts})`,
      'Let the endpoint use more kinds of GPU, or more data centres: infra/runpod, gpu.pools.',
    );
  }
  if (inQueue > 0 && usable + initializing === 0) {
    return wrong(
      `endpoint ${name}: runs wait, and ${reasonOf(health)} (${counts})`,
      "Raise the endpoint's workers.max: infra/runpod has the command.",
    );
  }
  return ok(`endpoint ${name} takes the key: ${counts}`);
}
