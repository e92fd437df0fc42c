/** `/metrics`: what this program counts, for Prometheus. */
import type { Registry } from 'prom-client';
import { metricsPage } from '../../telemetry/metrics.ts';
import { defineRoute, type Route } from '../route.ts';

export function metricsRoutes(registry: Registry): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/metrics',
      summary: 'What this program has counted since it started.',
      access: 'scraper',
      answers: { 200: { description: "Prometheus' text form.", mediaType: 'text/plain' } },
      async handle() {
        const { body, contentType } = await metricsPage(registry);
        return new Response(body, { headers: { 'content-type': contentType } });
      },
    }),
  ];
}
