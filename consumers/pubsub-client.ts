/**
 * Pub/Sub's own generated clients, and what their errors mean. The library's `Subscription` is not used: it swallows the errors of
 * acknowledgements and extensions, so that nobody learns of a lost lease, and shows neither its heartbeats nor its reconnections.
 */
import { PubSub, v1 } from '@google-cloud/pubsub';
import { MillraceError, withoutSecrets } from '../errors.ts';

export interface PubsubClientOptions {
  readonly projectId: string;
  /** `host:port` of an emulator: plain text and without credentials. Google's own service otherwise, with the machine's credentials. */
  readonly emulatorHost?: string;
}

export interface PubsubClient {
  readonly projectId: string;
  readonly subscriber: v1.SubscriberClient;
  readonly publisher: v1.PublisherClient;
  close(): Promise<void>;
}

/** Google's own client does the same: ids of messages with exactly-once delivery are long, and dead connections have to be found. */
const CHANNEL = {
  'grpc.max_metadata_size': 4 * 1024 * 1024,
  'grpc.keepalive_time_ms': 300_000,
  'grpc.keepalive_timeout_ms': 20_000,
  // Left to itself gRPC waits up to two minutes before it tries a server again.
  'grpc.max_reconnect_backoff_ms': 10_000,
};

/** Throws CONFIG_INVALID for an emulator's address that is none. PUBSUB_EMULATOR_HOST is not read. */
export function createPubsubClient({ projectId, emulatorHost }: PubsubClientOptions): PubsubClient {
  const options = { ...CHANNEL, projectId, ...(emulatorHost === undefined ? {} : emulatorOptions(projectId, emulatorHost)) };
  const subscriber = new v1.SubscriberClient(options);
  const publisher = new v1.PublisherClient(options);
  initializeCalmly(subscriber, () => delete subscriber.subscriberStub);
  initializeCalmly(publisher, () => delete publisher.publisherStub);
  return {
    projectId,
    subscriber,
    publisher,
    async close() {
      await Promise.allSettled([subscriber.close(), publisher.close()]);
    },
  };
}

/**
 * Without credentials every call of a generated client rejects, as it should; but the client throws the same error once more where
 * nobody can catch it, which would end the process, and never looks for credentials again.
 */
function initializeCalmly<Stub>(client: { initialize(): Promise<Stub | undefined> }, forget: () => void): void {
  const initialize = client.initialize.bind(client);
  client.initialize = async () => {
    try {
      return await initialize();
    } catch {
      forget();
      return undefined;
    }
  };
}

function emulatorOptions(projectId: string, emulatorHost: string) {
  const [, servicePath, port] = /^([A-Za-z0-9.-]+):(\d{1,5})$/.exec(emulatorHost) ?? [];
  if (servicePath === undefined) {
    throw new MillraceError('CONFIG_INVALID', `The emulator's address is not host:port: ${JSON.stringify(emulatorHost)}.`, {
      fix: 'Write it as 127.0.0.1:8085, without a scheme.',
    });
  }
  // The generated clients take channel credentials, but only this class makes them.
  const { sslCreds } = new PubSub({ projectId, apiEndpoint: emulatorHost, emulatorMode: true }).options;
  // Without the domain the client asks the machine's metadata server for it, which is not there, and takes seconds to find out.
  return { servicePath, port: Number(port), sslCreds, clientOptions: { universeDomain: 'googleapis.com' } };
}

/** Numbers of gRPC's status codes. */
const STATUS = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;
export type PubsubStatus = keyof typeof STATUS;

/** The status that an error of the client carries; undefined for what is not an answer of the service. */
export function statusOf(thrown: unknown): PubsubStatus | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return (Object.keys(STATUS) as PubsubStatus[]).find((status) => STATUS[status] === thrown.code);
}

const TRANSIENT: ReadonlySet<PubsubStatus | undefined> = new Set([
  'DEADLINE_EXCEEDED',
  'RESOURCE_EXHAUSTED',
  'ABORTED',
  'INTERNAL',
  'UNAVAILABLE',
]);

/** Whether the same call, unchanged, may work soon. */
export const isTransient = (thrown: unknown): boolean => TRANSIENT.has(statusOf(thrown));

/** What went wrong, in our codes. `doing` completes "Pub/Sub refused …". */
export function pubsubError(thrown: unknown, doing: string): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  const status = statusOf(thrown);
  if (status === 'NOT_FOUND') {
    return new MillraceError('QUEUE_ERROR', `Pub/Sub refused ${doing}: it does not exist.`, {
      cause: thrown,
      fix: 'Check the project and the name, or create it.',
    });
  }
  const words = withoutSecrets(thrown instanceof Error ? thrown.message : String(thrown));
  if (status === undefined && /credential/i.test(words)) {
    return new MillraceError('QUEUE_FORBIDDEN', 'No credentials for Google Cloud were found on this machine.', {
      cause: thrown,
      fix: "Set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file, or give the machine an account.",
    });
  }
  if (status === 'PERMISSION_DENIED' || status === 'UNAUTHENTICATED') {
    return new MillraceError('QUEUE_FORBIDDEN', `Pub/Sub refused ${doing}: these credentials may not.`, {
      cause: thrown,
      fix: 'Grant roles/pubsub.subscriber and roles/pubsub.viewer on the subscriptions, roles/pubsub.publisher on the dead-letter topic.',
    });
  }
  const code = status === undefined || isTransient(thrown) ? 'QUEUE_UNREACHABLE' : 'QUEUE_ERROR';
  return new MillraceError(code, `Pub/Sub failed ${doing}: ${words}`, { cause: thrown });
}
