/**
 * A worker whose trims are tiny fakes: the real loop towards the endpoint, and for every item an output with its mark and a result, as
 * the real tasks write them. Ten thousand runs of ffmpeg would tell nothing more about plans and claims, and take many minutes.
 */
import { z } from 'zod';
import { resultOf } from '../../../handlers/results.ts';
import { silentLogger } from '../../../log.ts';
import { RunContext } from '../../../manifests/run-context.ts';
import { parseWorkerEnvironment, runWorker } from '../../../runpod/worker.ts';

const Item = z.object({
  output_put_url: z.string(),
  millrace: RunContext.required({ output_put_headers: true, succeeded_put_url: true }),
});
const Input = z.object({ parameters: z.union([z.object({ segments: z.array(Item) }), Item]) });

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());

await runWorker({
  environment: parseWorkerEnvironment(process.env),
  async run(input, { requestId, workerId }) {
    const { parameters } = Input.parse(input);
    for (const { output_put_url, millrace } of 'segments' in parameters ? parameters.segments : [parameters]) {
      await put(output_put_url, 'sound', millrace.output_put_headers);
      const output = { statusCode: 200, body: 'done', output_uri: millrace.output_uri };
      const facts = { task: 'AUDIO_TRIM', runId: requestId, workerId, finishedAtMs: Date.now(), runSeconds: 0, workerSeconds: 0 };
      await put(millrace.succeeded_put_url, JSON.stringify(resultOf(millrace, { kind: 'succeeded', output }, facts)));
    }
    return { kind: 'succeeded', output: { statusCode: 200, body: 'done' } };
  },
  concurrency: 8,
  log: silentLogger,
  signal: stopping.signal,
});

async function put(url: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const { ok, status } = await fetch(url, { method: 'PUT', body, headers });
  if (!ok) throw new Error(`a PUT was answered with ${status}`);
}
