import { describe, expect, it } from 'vitest';
import type { WorkerEnvironment } from '../../../runpod/worker-environment.ts';
import { pingUrl, resultUrl, stopListUrl, takeUrl, unhealthyUrl } from '../../../runpod/worker-urls.ts';

const withQuery: WorkerEnvironment = {
  workerId: 'pod1',
  endpointId: 'ep1',
  apiKey: 'key',
  takeUrl: 'https://h/v2/ep1/job-take/pod1?gpu=NVIDIA+RTX+A5000',
  resultUrl: 'https://h/v2/ep1/job-done/pod1/$ID?gpu=NVIDIA+RTX+A5000',
  pingUrl: 'https://h/v2/ep1/ping/pod1?gpu=NVIDIA+RTX+A5000',
  pingIntervalMs: 10_000,
};
const bare: WorkerEnvironment = {
  ...withQuery,
  takeUrl: 'https://h/v2/ep1/job-take/pod1',
  resultUrl: 'https://h/v2/ep1/job-done/pod1/$ID',
};

describe("the worker's URLs", () => {
  it('append parameters behind the query that is there, or start one', () => {
    expect(takeUrl(withQuery, { batchSize: 1, jobInProgress: false })).toBe(
      'https://h/v2/ep1/job-take/pod1?gpu=NVIDIA+RTX+A5000&job_in_progress=0',
    );
    expect(takeUrl(bare, { batchSize: 1, jobInProgress: true })).toBe('https://h/v2/ep1/job-take/pod1?job_in_progress=1');
    expect(resultUrl(bare, 'j-u1')).toBe('https://h/v2/ep1/job-done/pod1/j-u1?isStream=false');
  });

  it('take several by the batch call', () => {
    expect(takeUrl(withQuery, { batchSize: 4, jobInProgress: false })).toBe(
      'https://h/v2/ep1/job-take-batch/pod1?gpu=NVIDIA+RTX+A5000&batch_size=4&job_in_progress=0',
    );
  });

  it("post a result as RunPod's own workers do", () => {
    expect(resultUrl(withQuery, 'abc-u1')).toBe('https://h/v2/ep1/job-done/pod1/abc-u1?gpu=NVIDIA+RTX+A5000&isStream=false');
  });

  it('ask for the stop list beside the take call, where there is one', () => {
    expect(stopListUrl(withQuery)).toBe('https://h/v2/ep1/job-stop/pod1?gpu=NVIDIA+RTX+A5000');
    expect(stopListUrl({ ...withQuery, takeUrl: 'https://h/jobs' })).toBeUndefined();
  });

  it('name the jobs in a ping, and none when idle', () => {
    const busy = new URL(pingUrl('https://h/ping/pod1?gpu=x', ['a-u1', 'b-u1']));
    expect(busy.searchParams.get('job_id')).toBe('a-u1,b-u1');
    const idle = new URL(pingUrl('https://h/ping/pod1?gpu=x', []));
    expect([...idle.searchParams.keys()]).toEqual(['gpu', 'runpod_version']);
  });

  it('cut the reason of an unhealthy worker to what RunPod takes', () => {
    const url = new URL(unhealthyUrl('https://h/ping/pod1', 'ffmpeg', 'r'.repeat(300)));
    expect(url.searchParams.get('status')).toBe('unhealthy');
    expect(url.searchParams.get('check')).toBe('ffmpeg');
    expect(url.searchParams.get('reason')).toHaveLength(256);
  });
});
