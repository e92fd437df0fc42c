/** A queue server's parts without HTTP, on a clock that the test turns. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Reply } from '../../../../local/queue/action.ts';
import { actionNamed } from '../../../../local/queue/actions/table.ts';
import { createService, type Service } from '../../../../local/queue/service.ts';
import { Store } from '../../../../local/queue/store.ts';
import { silentLogger } from '../../../../log.ts';

const ADDRESS = { endpoint: 'http://127.0.0.1:9', region: 'eu-west-1', accountId: '000000000000' };
export const START_MS = Date.UTC(2026, 10, 4, 10, 15);

export const urlOf = (name: string) => `${ADDRESS.endpoint}/${ADDRESS.accountId}/${name}`;
export const arnOf = (name: string) => `arn:aws:sqs:${ADDRESS.region}:${ADDRESS.accountId}:${name}`;

const TextMap = z.record(z.string(), z.string());
const ShownMessage = z.object({ MessageId: z.string(), ReceiptHandle: z.string(), Body: z.string(), Attributes: TextMap });
type ShownMessage = z.infer<typeof ShownMessage>;

export interface ClockedQueue {
  readonly service: Service;
  /** Runs one action as the server does. */
  call(action: string, input: unknown, signal?: AbortSignal): Promise<Reply['body']>;
  reply(action: string, input: unknown, signal?: AbortSignal): Promise<Reply>;
  create(name: string, attributes?: Record<string, string>): Promise<void>;
  send(name: string, body: string, more?: object): Promise<void>;
  receive(name: string, more?: object): Promise<readonly ShownMessage[]>;
  attribute(name: string, attribute: string): Promise<string | undefined>;
  pass(seconds: number): void;
  /** The same file opened anew, as after a crash. */
  restart(): void;
  close(): void;
}

export function startClockedQueue(options: { readonly maxInFlight?: number } = {}): ClockedQueue {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-queue-'));
  let nowMs = START_MS;
  const open = () =>
    createService({
      store: new Store(join(folder, 'queue.sqlite')),
      address: ADDRESS,
      now: () => nowMs,
      log: silentLogger,
      maxInFlight: options.maxInFlight ?? 1000,
    });
  let service = open();
  const shut = () => {
    service.mover.close();
    service.pollers.close();
    service.store.close();
  };
  const reply = (action: string, input: unknown, signal = new AbortController().signal) =>
    actionNamed(action)(service, input, { signal });
  const call = async (action: string, input: unknown, signal?: AbortSignal) => (await reply(action, input, signal)).body;

  return {
    get service() {
      return service;
    },
    reply,
    call,
    create: async (name, attributes = {}) => {
      await call('CreateQueue', { QueueName: name, Attributes: attributes });
    },
    send: async (name, body, more = {}) => {
      await call('SendMessage', { QueueUrl: urlOf(name), MessageBody: body, ...more });
    },
    receive: async (name, more = {}) => {
      const body = await call('ReceiveMessage', { QueueUrl: urlOf(name), MessageSystemAttributeNames: ['All'], ...more });
      return z.array(ShownMessage).parse(body.Messages ?? []);
    },
    attribute: async (name, attribute) => {
      const body = await call('GetQueueAttributes', { QueueUrl: urlOf(name), AttributeNames: ['All'] });
      return TextMap.parse(body.Attributes)[attribute];
    },
    pass: (seconds) => {
      nowMs += seconds * 1000;
    },
    restart: () => {
      shut();
      service = open();
      service.mover.resume();
    },
    close: () => {
      shut();
      rmSync(folder, { recursive: true });
    },
  };
}
