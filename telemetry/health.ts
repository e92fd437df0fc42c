/**
 * What a process says of itself over HTTP: `/healthz` (restart me), `/readyz` (do not count on me yet), `/metrics`. Plain functions, so
 * that any server can mount them; health-server.ts is the one that a consumer starts.
 */
import type { Registry } from 'prom-client';
import { metricsPage } from './metrics.ts';

export interface HealthChecks {
  /** One sentence for everything that only a restart, or a person, can mend; none where all is well. */
  readonly live: () => readonly string[];
  /** One sentence for everything that stands in the way of work. */
  readonly ready: () => Promise<readonly string[]>;
}

export interface HealthAnswer {
  readonly status: 200 | 503;
  readonly contentType: string;
  readonly body: string;
}

export interface HealthSource {
  readonly checks: HealthChecks;
  readonly registry: Registry;
}

/** Undefined for any other path. */
export async function answerHealth({ checks, registry }: HealthSource, path: string): Promise<HealthAnswer | undefined> {
  switch (path) {
    case '/healthz':
      return answerOf(checks.live());
    case '/readyz':
      return answerOf(await checks.ready());
    case '/metrics':
      return { status: 200, ...(await metricsPage(registry)) };
    default:
      return undefined;
  }
}

function answerOf(reasons: readonly string[]): HealthAnswer {
  const isWell = reasons.length === 0;
  const body = `${JSON.stringify(isWell ? { status: 'ok' } : { status: 'failing', reasons })}\n`;
  return { status: isWell ? 200 : 503, contentType: 'application/json', body };
}
