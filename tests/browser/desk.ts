/** A browser before a real stack: pages that are signed in, and what went wrong on them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetBucketNotificationConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { noteOf } from '../integration/consumers/dead-letters-suite.ts';
import { startTestStack, type TestStack } from '../integration/loop/stack.ts';
import { makeAudio, makeVideo } from '../media/generate.ts';
import { type Origin, startOrigin } from '../media/origin.ts';
import { startChromium } from './chromium.ts';

export interface Desk {
  readonly stack: TestStack;
  readonly url: string;
  readonly token: string;
  /** 2 seconds, 48 kHz. */
  readonly master: Buffer;
  /** 1 second, 320x180, H.264 and AAC. */
  readonly video: Buffer;
  /** Where sources can be fetched from. */
  readonly origin: Origin;
  readonly folder: string;
  /** A page of a browser that nobody has used before. */
  open(hash: string, options?: BrowserContextOptions): Promise<Page>;
  openSignedIn(hash: string, options?: BrowserContextOptions): Promise<Page>;
  /** What pages have complained about since the last time: errors on the console, violations of the policy, exceptions. */
  complaints(): string[];
  /** What is written meanwhile, no event tells of. */
  withoutEvents(work: () => Promise<void>): Promise<void>;
  bury(body: string, code: string): Promise<void>;
  stop(): Promise<void>;
}

/** A browser says that of every answer that is an error, whoever expected it. */
const EXPECTED = /^Failed to load resource: the server responded with a status of (401|404)/;
const WAIT_MS = 20_000;
/** Not all of them are said on the console by themselves. */
const TELL_VIOLATIONS = `addEventListener('securitypolicyviolation', (event) => console.error('policy', event.violatedDirective, event.blockedURI))`;

export async function startDesk(ffmpeg: string): Promise<Desk> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-browser-'));
  const [audioFile, videoFile] = await Promise.all([
    makeAudio(ffmpeg, folder, { name: 'master.wav', seconds: 2 }),
    makeVideo(ffmpeg, folder, { name: 'source.mp4', width: 320, height: 180, seconds: 1 }),
  ]);
  const origin = await startOrigin();
  // An audit would find a job whose events were lost before its dead letter is replayed.
  const stack = await startTestStack({ workers: 1, allowHosts: [origin.host], env: { MILLRACE_AUDIT_MINUTES: '0' } });
  const browser: Browser = await startChromium();
  const { url, token } = stack.stack.description.api;
  const heard: string[] = [];
  /** Signed in once: that a token is needed has a test of its own. */
  let session: Awaited<ReturnType<typeof signIn>> | undefined;

  async function open(hash: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.on('console', (message) => {
      if (message.type() === 'error' && !EXPECTED.test(message.text())) heard.push(message.text());
    });
    page.on('pageerror', (error) => heard.push(String(error)));
    await page.addInitScript(TELL_VIOLATIONS);
    await page.goto(`${url}/${hash}`);
    return page;
  }

  async function signIn() {
    const page = await open('');
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Sign out' }).waitFor();
    const state = await page.context().storageState();
    await page.context().close();
    return state;
  }

  return {
    ...{ stack, url, token, origin, folder, open },
    master: await readFile(audioFile),
    video: await readFile(videoFile),
    async openSignedIn(hash, options) {
      session ??= await signIn();
      return open(hash, { ...options, storageState: session });
    },
    complaints: () => heard.splice(0),
    async withoutEvents(work) {
      const { endpoint, region, name: Bucket, ...credentials } = stack.stack.description.bucket;
      const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
      const { QueueConfigurations } = await client.send(new GetBucketNotificationConfigurationCommand({ Bucket }));
      const notify = (configuration: object) =>
        client.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration: configuration }));
      await notify({});
      await work();
      await notify({ QueueConfigurations });
      client.destroy();
    },
    async bury(body, code) {
      const MessageAttributes = Object.fromEntries(
        Object.entries(noteOf(code)).map(([name, StringValue]) => [name, { DataType: 'String', StringValue }]),
      );
      const QueueUrl = stack.stack.description.queue.deadLetterUrl;
      await stack.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: body, MessageAttributes }));
    },
    async stop() {
      await browser.close();
      await stack.stop();
      await origin.close();
      await rm(folder, { recursive: true });
    },
  };
}
