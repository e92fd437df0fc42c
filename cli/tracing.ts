/** OpenTelemetry where the settings name a collector; nothing of it is loaded elsewhere. */
import type { Config } from '../config.ts';
import type { Logger } from '../log.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { readVersion } from './version.ts';

export async function startTracing(
  config: Config,
  program: 'consumer' | 'worker' | 'api',
  log: Logger,
): Promise<Tracing | undefined> {
  const url = tracesUrl(config);
  if (url === undefined) return undefined;
  const { createTracing } = await import('../telemetry/tracing.ts');
  return createTracing({
    url,
    serviceName: config.OTEL_SERVICE_NAME ?? `millrace-${program}`,
    version: readVersion(),
    sampler: config.OTEL_TRACES_SAMPLER,
    samplerRatio: config.OTEL_TRACES_SAMPLER_ARG,
    log,
  });
}

/** By the specification of OTLP: the traces' own endpoint is taken as it is, the common one gets a path. */
export function tracesUrl(config: Config): string | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: common, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own, OTEL_SDK_DISABLED: isOff } = config;
  if (isOff) return undefined;
  return own ?? (common === undefined ? undefined : `${common.replace(/\/$/, '')}/v1/traces`);
}
