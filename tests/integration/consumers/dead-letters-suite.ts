/** What `millrace dead-letters` promises for every queue, as people run it, against a real server. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, type TestContext, test, vi } from 'vitest';
import { z } from 'zod';
import { type DeadLetterNote, noteAttributes } from '../../../consumers/dead-letter-note.ts';
import { type Ended, millrace, type RunningCommand, startMillrace } from '../cli/millrace.ts';

export interface SentLetter {
  readonly body: string;
  /** Those of a note among them. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface ArrivedLetter extends SentLetter {
  /** Milliseconds since 1970, by the queue's own clock. */
  readonly sentAtMs: number;
}

/** Two fresh queues. */
export interface LetterPeer {
  readonly env: Readonly<Record<string, string>>;
  putDead(letters: readonly SentLetter[]): Promise<void>;
  /** Takes all that has been sent to the main queue. */
  arrived(): Promise<ArrivedLetter[]>;
  /** Looks at all dead letters, and leaves them. */
  dead(): Promise<SentLetter[]>;
}

export interface LetterPeers {
  fresh(): Promise<LetterPeer>;
  stop(): Promise<void>;
}

export function noteOf(code: string, more: Partial<DeadLetterNote> = {}): Record<string, string> {
  const deadLetteredAt = '2026-11-25T10:00:00.000Z';
  return noteAttributes({ code, reason: `because ${code}`, deadLetteredAt, receiveCount: 1, replays: 0, ...more });
}

export function notification(key: string): string {
  return JSON.stringify({
    Records: [{ eventVersion: '2.1', eventName: 'ObjectCreated:Put', s3: { bucket: { name: 'videos' }, object: { key } } }],
  });
}

export const letter = (body: string, attributes: Readonly<Record<string, string>> = {}): SentLetter => ({ body, attributes });

const AuditLine = z.object({ action: z.string(), step: z.string(), id: z.string(), replays: z.number(), at: z.string() });
export type AuditLine = z.infer<typeof AuditLine>;

/** One deployment: its data folder, and the commands that work with it. */
export interface LetterDesk {
  readonly peer: LetterPeer;
  readonly folder: string;
  run(...args: string[]): Promise<Ended>;
  start(...args: string[]): RunningCommand;
  audit(): Promise<AuditLine[]>;
}

export function deskOf(peer: LetterPeer, folder: string): LetterDesk {
  const options = { cwd: folder, env: { VIDEOS_BUCKET: 's3://videos', MILLRACE_DATA: join(folder, 'data'), ...peer.env } };
  return {
    peer,
    folder,
    run: (...args) => millrace(['dead-letters', ...args], options),
    start: (...args) => startMillrace(['dead-letters', ...args], options),
    async audit() {
      const text = await readFile(join(folder, 'data', 'dead-letters', 'audit.jsonl'), 'utf8').catch(() => '');
      return text.split('\n').flatMap((line) => (line === '' ? [] : [AuditLine.parse(JSON.parse(line))]));
    },
  };
}

export function describeDeadLetters(name: string, start: () => Promise<LetterPeers>): void {
  // Beside each other: most of the time is spent waiting for queues that are empty.
  describe.concurrent(`dead letters on ${name}`, () => {
    let peers: LetterPeers;

    beforeAll(async () => {
      peers = await start();
    });
    afterAll(async () => {
      await peers?.stop();
    });

    async function openDesk(onTestFinished: TestContext['onTestFinished']): Promise<LetterDesk> {
      const folder = await mkdtemp(join(tmpdir(), 'millrace-letters-'));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      return deskOf(await peers.fresh(), folder);
    }

    const four = [
      letter('not JSON', noteOf('MESSAGE_NOT_JSON')),
      letter(notification('pipelines/talk-1/stage/clips/segment_1.mp4'), noteOf('BUCKET_NOT_ALLOWED')),
      letter(notification('pipelines/talk-1/stage/clips/segment_2.mp4'), noteOf('BUCKET_NOT_ALLOWED')),
      letter(notification('pipelines/talk-2/inputs/sources.json')),
    ];
    const bodies = (letters: readonly SentLetter[]) => letters.map(({ body }) => body).sort();
    const replaysOf = ({ attributes }: SentLetter) => attributes['millrace-replays'];

    test('list counts them by reason, job and stage, and leaves them where they are', async ({ expect, onTestFinished }) => {
      const desk = await openDesk(onTestFinished);
      await desk.peer.putDead(four);
      const { code, stdout } = await desk.run('list');
      expect(code).toBe(0);
      expect(stdout).toMatch(/^2 +BUCKET_NOT_ALLOWED +talk-1 +clips +2026-11-25 10:00:00Z/m);
      expect(stdout).toMatch(/^1 +MESSAGE_NOT_JSON +- +- /m);
      expect(stdout).toMatch(/^1 +MAX_RECEIVES +talk-2 +inputs /m);
      expect(stdout).toContain('4 dead letters in ');
      expect(bodies(await desk.peer.dead())).toEqual(bodies(four));
      expect(await desk.audit()).toEqual([]);
    });

    test('show prints one whole, with its reason and its events', async ({ expect, onTestFinished }) => {
      const desk = await openDesk(onTestFinished);
      await desk.peer.putDead(four);
      const { stdout: list } = await desk.run('list', '--each', '--json', '--reason', 'BUCKET_NOT_ALLOWED');
      const { list: rows } = z.object({ list: z.array(z.object({ id: z.string() })) }).parse(JSON.parse(list));
      expect(rows).toHaveLength(2);
      const { code, stdout } = await desk.run('show', rows[0]?.id ?? '');
      expect(code).toBe(0);
      expect(stdout).toContain('BUCKET_NOT_ALLOWED  because BUCKET_NOT_ALLOWED');
      expect(stdout).toMatch(/^event +created \(s3\) videos\/pipelines\/talk-1\/stage\/clips\/segment_[12]\.mp4$/m);
      expect(stdout).toContain('{"Records":[');
      expect(await desk.run('show', 'no-such-id')).toMatchObject({ code: 1, stderr: expect.stringContaining('no-such-id') });
    });

    test('replay sends those that fit once, as they were but for the replay count, and removes them', async ({
      expect,
      onTestFinished,
    }) => {
      const desk = await openDesk(onTestFinished);
      await desk.peer.putDead(four);
      const dry = await desk.run('replay', '--job', 'talk-1', '--dry-run');
      expect(dry.stdout).toContain('2 letters would be replayed');
      expect(await desk.peer.arrived()).toEqual([]);
      const { code, stdout, stderr } = await desk.run('replay', '--job', 'talk-1');
      expect({ code, stderr: stderr.includes('QUEUE_') }).toEqual({ code: 0, stderr: false });
      expect(stdout).toContain('2 letters replayed');
      const arrived = await desk.peer.arrived();
      expect(bodies(arrived)).toEqual(bodies(four.slice(1, 3)));
      expect(arrived.map(({ attributes }) => attributes)).toEqual([{ 'millrace-replays': '1' }, { 'millrace-replays': '1' }]);
      expect(bodies(await desk.peer.dead())).toEqual(bodies([four[0], four[3]].flatMap((each) => each ?? [])));
      const steps = (await desk.audit()).map(({ step, replays }) => `${step} ${step === 'removed' ? '' : replays}`).sort();
      expect(steps).toEqual(['intent 1', 'intent 1', 'removed ', 'removed ', 'sent 1', 'sent 1']);
    });

    test('one that was sent again too often is in quarantine, and only --force sends it', async ({ expect, onTestFinished }) => {
      const desk = await openDesk(onTestFinished);
      await desk.peer.putDead([
        letter('poison', noteOf('MESSAGE_NOT_JSON', { replays: 3 })),
        letter('fresh', noteOf('KEY_INVALID')),
      ]);
      expect((await desk.run('list')).stdout).toMatch(/^1 +MESSAGE_NOT_JSON .* 1 +\S+$/m);
      const { code, stdout, stderr } = await desk.run('replay');
      expect(code).toBe(0);
      expect(stdout).toContain('1 in quarantine');
      expect(stderr).toContain('has been sent again 3 times already');
      expect(bodies(await desk.peer.arrived())).toEqual(['fresh']);
      expect(bodies(await desk.peer.dead())).toEqual(['poison']);
      await desk.run('replay', '--force');
      expect((await desk.peer.arrived()).map(replaysOf)).toEqual(['4']);
    });

    test('--keep copies, and copies nothing twice', async ({ expect, onTestFinished }) => {
      const desk = await openDesk(onTestFinished);
      await desk.peer.putDead(four.slice(0, 2));
      expect((await desk.run('replay', '--keep')).stdout).toContain('2 letters copied');
      expect((await desk.run('replay', '--keep')).stdout).toContain('2 sent by an earlier run already: left alone');
      expect(bodies(await desk.peer.arrived())).toEqual(bodies(four.slice(0, 2)));
      expect(bodies(await desk.peer.dead())).toEqual(bodies(four.slice(0, 2)));
      await desk.run('replay', '--keep', '--force');
      expect(await desk.peer.arrived()).toHaveLength(2);
    });

    test('letters go to a file, are edited there, and are sent from it, once', async ({ expect, onTestFinished }) => {
      const desk = await openDesk(onTestFinished);
      await desk.peer.putDead(four);
      const file = join(desk.folder, 'letters.jsonl');
      expect((await desk.run('replay', '--to', file)).stdout).toContain('4 letters saved');
      expect(await desk.peer.dead()).toEqual([]);
      const text = await readFile(file, 'utf8');
      expect(text.trimEnd().split('\n')).toHaveLength(4);
      await writeFile(file, text.replace('"not JSON"', '"mended"'));
      expect((await desk.run('replay', '--from', file, '--reason', 'MAX_RECEIVES')).stdout).toContain('1 letter sent');
      const rest = await desk.run('replay', '--from', file);
      expect(rest.stdout).toContain('3 letters sent');
      expect(rest.stdout).toContain('1 sent by an earlier run already');
      const arrived = await desk.peer.arrived();
      expect(bodies(arrived)).toEqual(bodies([letter('mended'), ...four.slice(1)]));
      expect(arrived.map(replaysOf)).toEqual(['1', '1', '1', '1']);
    });

    test('discard deletes those that fit, and wants a filter or --all', async ({ expect, onTestFinished }) => {
      const desk = await openDesk(onTestFinished);
      await desk.peer.putDead(four);
      expect(await desk.run('discard')).toMatchObject({ code: 64, stderr: expect.stringContaining('--all') });
      expect(await desk.run('discard', '--limit', '1')).toMatchObject({ code: 64 });
      expect((await desk.run('discard', '--grep', '^not J')).stdout).toContain('1 letter discarded');
      expect(bodies(await desk.peer.dead())).toEqual(bodies(four.slice(1)));
      expect((await desk.run('discard', '--all')).stdout).toContain('3 letters discarded');
      expect(await desk.peer.dead()).toEqual([]);
      expect(await desk.peer.arrived()).toEqual([]);
      expect((await desk.audit()).filter(({ step }) => step === 'removed')).toHaveLength(4);
    });

    test('a run that is killed is gone on with: none is lost', async ({ expect, onTestFinished }) => {
      const desk = await openDesk(onTestFinished);
      const letters = Array.from({ length: 90 }, (_, index) => letter(`letter ${index}`, noteOf('MESSAGE_NOT_JSON')));
      await desk.peer.putDead(letters);
      const killed = desk.start('replay', '--rate', '40');
      await vi.waitFor(
        async () => expect((await desk.audit()).filter(({ step }) => step === 'sent').length).toBeGreaterThan(20),
        {
          timeout: 30_000,
          interval: 20,
        },
      );
      expect((await killed.end('SIGKILL')).signal).toBe('SIGKILL');
      const arrived = await desk.peer.arrived();
      expect(arrived.length).toBeLessThan(letters.length);
      await vi.waitFor(
        async () => {
          expect((await desk.run('replay')).code).toBe(0);
          arrived.push(...(await desk.peer.arrived()));
          expect(new Set(bodies(arrived)).size).toBe(letters.length);
        },
        { timeout: 90_000 },
      );
      expect(await desk.peer.dead()).toEqual([]);
      // What was in hand when it was killed, at most.
      expect(arrived.length - letters.length).toBeLessThanOrEqual(10);
    });
  });
}
