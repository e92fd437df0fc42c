import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../log.ts';
import { answerHealth, type HealthChecks } from '../../../telemetry/health.ts';
import { type HealthServer, startHealthServer } from '../../../telemetry/health-server.ts';

const sourceWith = (checks: Partial<HealthChecks>) => ({
  registry: new Registry(),
  checks: { live: () => [], ready: async () => [], ...checks },
});

describe('what a process says of itself', () => {
  it('is 200 without reasons, and 503 with them', async () => {
    const source = sourceWith({ ready: async () => ['the bucket cannot be read'] });
    expect(await answerHealth(source, '/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}\n' });
    const body = '{"status":"failing","reasons":["the bucket cannot be read"]}\n';
    expect(await answerHealth(source, '/readyz')).toMatchObject({ status: 503, body });
    expect(await answerHealth(source, '/metrics')).toMatchObject({
      status: 200,
      contentType: expect.stringMatching(/^text\/plain/),
    });
    expect(await answerHealth(source, '/')).toBeUndefined();
  });
});

describe('its server', () => {
  let server: HealthServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  it('answers GET and HEAD, says what there is, and takes nothing else', async () => {
    server = await startHealthServer('127.0.0.1:0', sourceWith({}), silentLogger);
    const ask = async (path: string, method = 'GET') => fetch(`${server?.url}${path}`, { method });
    expect((await ask('/healthz?probe=1')).status).toBe(200);
    expect(await (await ask('/healthz', 'HEAD')).text()).toBe('');
    expect((await ask('/metrics', 'POST')).status).toBe(405);
    expect([(await ask('/else')).status, await (await ask('/else')).text()]).toEqual([
      404,
      'There are /healthz, /readyz and /metrics.\n',
    ]);
  });

  it('says 500 where a check throws, and goes on', async () => {
    const source = sourceWith({ ready: () => Promise.reject(new Error('defect')) });
    server = await startHealthServer('127.0.0.1:0', source, silentLogger);
    expect((await fetch(`${server.url}/readyz`)).status).toBe(500);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  });

  it('names the variable where its address is taken', async () => {
    server = await startHealthServer('127.0.0.1:0', sourceWith({}), silentLogger);
    const again = startHealthServer(new URL(server.url).host, sourceWith({}), silentLogger);
    await expect(again).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^MILLRACE_HEALTH_ADDRESS: .*EADDRINUSE/),
    });
  });
});
