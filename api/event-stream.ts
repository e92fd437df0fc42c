/** Server-sent events: the text that carries them, and the answer that a stream of them is. */
import type { JobView } from './documents/job.ts';
import type { JobWatch } from './job-watch.ts';

/** Proxies close what stands still; most wait for a minute. */
export const HEARTBEAT_MS = 15_000;
/** After a lost connection a browser asks again after so long. */
const RECONNECT_MS = 3_000;
/** A client that reads nothing is cut off once so many events wait for it. */
const MAX_WAITING = 16;

export interface EventStreamOptions {
  readonly watch: JobWatch;
  readonly job: string;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  readonly heartbeatMs?: number;
}

export function jobEvents({ watch, job, signal, heartbeatMs = HEARTBEAT_MS }: EventStreamOptions): Response {
  const encoder = new TextEncoder();
  let stop = (): void => undefined;
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        let last: JobView | undefined;
        let isOpen = true;
        const send = (text: string) => {
          if (!isOpen) return;
          controller.enqueue(encoder.encode(text));
          if ((controller.desiredSize ?? 0) <= -MAX_WAITING) finish();
        };
        const heartbeat = setInterval(() => send(': still here\n\n'), heartbeatMs);
        const finish = () => {
          if (!isOpen) return;
          isOpen = false;
          stop();
          controller.close();
        };
        let leave = (): void => undefined;
        stop = () => {
          isOpen = false;
          clearInterval(heartbeat);
          signal.removeEventListener('abort', finish);
          leave();
        };
        try {
          leave = watch.add(job, {
            changed(view) {
              last = view;
              send(eventText('job', view));
            },
            ended() {
              if (last?.ended === true) send(eventText('end', last));
              finish();
            },
          });
        } catch (thrown) {
          stop();
          throw thrown;
        }
        signal.addEventListener('abort', finish, { once: true });
        send(`retry: ${RECONNECT_MS}\n\n`);
        if (signal.aborted) finish();
      },
      cancel: () => stop(),
    },
    { highWaterMark: 1 },
  );
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
  });
}

/** JSON has no line ends of its own, so one data line holds it. */
const eventText = (name: string, view: JobView): string =>
  `event: ${name}\nid: ${view.revision}\ndata: ${JSON.stringify(view)}\n\n`;
