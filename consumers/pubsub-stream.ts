/** One StreamingPull, from its opening to its end. */
import type { protos } from '@google-cloud/pubsub';
import type { PubsubClient } from './pubsub-client.ts';

export interface ReceivedMessage {
  readonly ackId: string;
  readonly id: string;
  /** In milliseconds since 1970. */
  readonly publishedAtMs: number | undefined;
  readonly data: Uint8Array;
  readonly attributes: Readonly<Record<string, string>>;
  /** 0 without a dead-letter policy. */
  readonly deliveryAttempt: number;
}

export interface PubsubStreamOptions {
  readonly client: PubsubClient;
  readonly subscription: string;
  /** How long a message is ours from its sending, until its own lease takes over. */
  readonly ackDeadlineSeconds: number;
  /** The service sends no more while so many are neither acknowledged nor given back. The emulator does not hold to it. */
  readonly maxOutstanding: number;
  readonly onMessages: (messages: readonly ReceivedMessage[]) => void;
  /** Any answer at all. */
  readonly onAlive: () => void;
}

export interface PubsubStream {
  /** Resolves when the stream has ended because it was told to, or the service ended it in order; rejects with the error otherwise. */
  readonly ended: Promise<void>;
  /** Sends no more: what is under way still comes. Lost otherwise, it would count as a delivery and stay hidden for a whole lease. */
  end(): void;
}

/** The service answers a ping, and closes a stream on which nothing was said for long. */
const PING_INTERVAL_MS = 30_000;
/** Two pings without an answer, and some. */
const SILENCE_MS = 75_000;
/** How long the service may take to end a stream. */
const END_TIMEOUT_MS = 3_000;
/** The service ends streams after half an hour at the latest; this only bounds one that it forgot. */
const STREAM_TIMEOUT_MS = 3_600_000;
/** Refusals come within milliseconds. What is still open after this is open, though it may stay silent until there is a message. */
const OPEN_AFTER_MS = 1_000;
const PROTOCOL_WITH_KEEPALIVE = 1;

export function openPubsubStream(options: PubsubStreamOptions): PubsubStream {
  const { client, subscription, onMessages, onAlive } = options;
  const stream = client.subscriber.streamingPull({ timeout: STREAM_TIMEOUT_MS, retry: null });
  const result = Promise.withResolvers<void>();
  let isEnding = false;
  let late: NodeJS.Timeout | undefined;
  let lastAnswerMs = performance.now();

  const alive = () => {
    lastAnswerMs = performance.now();
    onAlive();
  };
  const opened = setTimeout(alive, OPEN_AFTER_MS);
  const pings = setInterval(() => {
    if (isEnding) return;
    // Ending it asks for a last sign of life: a service that is there ends the stream in order, and it is opened again.
    if (performance.now() - lastAnswerMs > SILENCE_MS) end();
    else stream.write({});
  }, PING_INTERVAL_MS);
  const close = () => {
    isEnding = true;
    clearTimeout(opened);
    clearInterval(pings);
    clearTimeout(late);
  };

  stream.on('data', (response: protos.google.pubsub.v1.IStreamingPullResponse) => {
    alive();
    const messages = (response.receivedMessages ?? []).map(received);
    if (messages.length > 0) onMessages(messages);
  });
  stream.on('error', (error: Error) => {
    close();
    result.reject(error);
  });
  for (const event of ['end', 'close']) {
    stream.on(event, () => {
      close();
      // The error, if there is one, may follow.
      setImmediate(() => result.resolve());
    });
  }
  stream.write({
    subscription,
    streamAckDeadlineSeconds: options.ackDeadlineSeconds,
    maxOutstandingMessages: options.maxOutstanding,
    protocolVersion: PROTOCOL_WITH_KEEPALIVE,
  });

  function end(): void {
    if (isEnding) return;
    isEnding = true;
    stream.end();
    late = setTimeout(() => {
      close();
      result.reject(new Error('the stream did not end when it was told to'));
      stream.cancel();
    }, END_TIMEOUT_MS);
  }

  return { ended: result.promise, end };
}

function received({ ackId, message, deliveryAttempt }: protos.google.pubsub.v1.IReceivedMessage): ReceivedMessage {
  const { messageId, data, attributes, publishTime } = message ?? {};
  return {
    ackId: ackId ?? '',
    id: messageId ?? '',
    publishedAtMs: publishTime?.seconds === undefined ? undefined : Number(publishTime.seconds) * 1000,
    data: typeof data === 'string' ? Buffer.from(data, 'base64') : (data ?? new Uint8Array()),
    attributes: attributes ?? {},
    deliveryAttempt: deliveryAttempt ?? 0,
  };
}
