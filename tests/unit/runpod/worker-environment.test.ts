import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillUrl } from '../../../runpod/fill-url.ts';
import { isRunpodWorker, parseWorkerEnvironment } from '../../../runpod/worker-environment.ts';

const env = {
  RUNPOD_WEBHOOK_GET_JOB: 'https://api.runpod.ai/v2/ep1/job-take/$ID?gpu=$RUNPOD_GPU_TYPE_ID',
  RUNPOD_WEBHOOK_POST_OUTPUT: 'https://api.runpod.ai/v2/ep1/job-done/$RUNPOD_POD_ID/$ID?gpu=$RUNPOD_GPU_TYPE_ID',
  RUNPOD_WEBHOOK_PING: 'https://api.runpod.ai/v2/ep1/ping/$RUNPOD_POD_ID?gpu=$RUNPOD_GPU_TYPE_ID',
  RUNPOD_PING_INTERVAL: '4000',
  RUNPOD_AI_API_KEY: 'secret-key',
  RUNPOD_POD_ID: 'pod1',
  RUNPOD_GPU_TYPE_ID: 'NVIDIA RTX A5000',
  RUNPOD_ENDPOINT_ID: 'ep1',
};

describe('parseWorkerEnvironment', () => {
  it('fills in the worker and the GPU, and leaves the job id of a result open', () => {
    expect(parseWorkerEnvironment(env)).toEqual({
      workerId: 'pod1',
      endpointId: 'ep1',
      apiKey: 'secret-key',
      takeUrl: 'https://api.runpod.ai/v2/ep1/job-take/pod1?gpu=NVIDIA+RTX+A5000',
      resultUrl: 'https://api.runpod.ai/v2/ep1/job-done/pod1/$ID?gpu=NVIDIA+RTX+A5000',
      pingUrl: 'https://api.runpod.ai/v2/ep1/ping/pod1?gpu=NVIDIA+RTX+A5000',
      pingIntervalMs: 4000,
    });
  });

  it('makes up a worker id and uses the usual interval where RunPod names none', () => {
    const parsed = parseWorkerEnvironment({ ...env, RUNPOD_POD_ID: '', RUNPOD_PING_INTERVAL: undefined }, () => 'made-up');
    expect(parsed).toMatchObject({ workerId: 'made-up', pingIntervalMs: 10_000 });
    expect(parsed.takeUrl).toContain('/job-take/made-up?');
  });

  it('keeps the interval of pings within reason', () => {
    expect(parseWorkerEnvironment({ ...env, RUNPOD_PING_INTERVAL: '0' }).pingIntervalMs).toBe(50);
    expect(parseWorkerEnvironment({ ...env, RUNPOD_PING_INTERVAL: '86400000' }).pingIntervalMs).toBe(60_000);
  });

  it('goes without pings where there is no URL for them', () => {
    expect(parseWorkerEnvironment({ ...env, RUNPOD_WEBHOOK_PING: '' }).pingUrl).toBeUndefined();
  });

  it('names every variable that cannot be used, and no value', () => {
    const bad = { ...env, RUNPOD_WEBHOOK_GET_JOB: undefined, RUNPOD_AI_API_KEY: 'two words', RUNPOD_PING_INTERVAL: 'soon' };
    expect(() => parseWorkerEnvironment(bad)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(/GET_JOB is missing.*PING_INTERVAL is not a number.*API_KEY .*space/),
      }),
    );
    expect(() => parseWorkerEnvironment(bad)).not.toThrow(/two words/);
  });

  it('is asked for only in a container that RunPod started', () => {
    expect(isRunpodWorker(env)).toBe(true);
    expect(isRunpodWorker({ RUNPOD_POD_ID: 'pod1' })).toBe(false);
  });
});

describe('fillUrl', () => {
  it('encodes any value so that it comes back whole, in the path and in the query', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (value) => {
        const url = new URL(fillUrl('http://h/a/$ID/b?x=$ID&y=1', { $ID: `p${value}` }));
        expect(decodeURIComponent(url.pathname.split('/')[2] ?? '')).toBe(`p${value}`);
        expect(url.searchParams.get('x')).toBe(`p${value}`);
        expect(url.searchParams.get('y')).toBe('1');
      }),
    );
  });

  it('leaves placeholders that it has no value for', () => {
    expect(fillUrl('http://h/$ID/$RUNPOD_POD_ID?a=$1', { $RUNPOD_POD_ID: 'w' })).toBe('http://h/$ID/w?a=$1');
  });
});
