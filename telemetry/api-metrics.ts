/** What the HTTP API counts, for Prometheus. Every name begins with `millrace_api_`: consumers are counted by theirs, and may share a registry. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface ApiMetricsOptions {
  readonly version: string;
  /** How many event streams are open. */
  readonly openStreams: () => number;
  /** Of a consumer in this process, which counts the process itself already; one of its own unless given. */
  readonly registry?: Registry | undefined;
}

export interface AnsweredRequest {
  /** As the API names it, `/api/jobs/{job_id}`: never the path that was asked for, whose number has no bound. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  /** Until the answer began: a stream of events or a large file goes on after that. */
  readonly durationMs: number;
}

export interface ApiMetrics {
  readonly registry: Registry;
  answered(request: AnsweredRequest): void;
}

/** From an answer out of memory to a deletion of thousands of objects. */
const DURATION_BUCKETS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** HTTP has more, and none of them is a route of the API. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'DELETE']);

export function createApiMetrics({ version, openStreams, registry = ownRegistry() }: ApiMetricsOptions): ApiMetrics {
  const registers = [registry];
  const buildInfo = { name: 'millrace_api_build_info', help: '1, with the version of the API that runs.' };
  new Gauge({ ...buildInfo, labelNames: ['version'], registers }).set({ version }, 1);
  const requests = new Counter({
    name: 'millrace_api_requests_total',
    help: 'Requests answered, by route, method and the class of the status: 2xx to 5xx. The route none is no address of the API.',
    labelNames: ['route', 'method', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'millrace_api_request_duration_seconds',
    help: 'From a request until its answer began.',
    buckets: DURATION_BUCKETS,
    labelNames: ['route', 'method'],
    registers,
  });
  new Gauge({
    name: 'millrace_api_event_streams',
    help: 'Event streams that are open; MILLRACE_API_MAX_STREAMS is the most there may be.',
    registers,
    collect() {
      this.set(openStreams());
    },
  });
  return {
    registry,
    answered({ route, method: asked, status, durationMs }) {
      const method = METHODS.has(asked) ? asked : 'other';
      requests.inc({ route, method, status: `${Math.floor(status / 100)}xx` });
      durations.observe({ route, method }, durationMs / 1000);
    },
  };
}

function ownRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
