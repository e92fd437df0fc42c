import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { audit } from '../../../pipeline/audit.ts';
import { sweep } from '../../../pipeline/sweep.ts';
import { createInMemory, type InMemory, layout } from './consumer-in-memory.ts';

const HOUR_MS = 3_600_000;

function world(): InMemory {
  return createInMemory(undefined, { auditMinutes: 60 });
}

const write = ({ bucket }: InMemory, job: string, key = 'inputs/audio/master.wav'): void =>
  bucket.put(layout.jobKey(job, key), 'sound');

describe('an audit', () => {
  test('has every job looked at that changed since the last one, and no other', async () => {
    const self = world();
    write(self, 'old');
    self.clockMs += 2 * HOUR_MS;
    await audit(self.source);
    expect(self.woken).toEqual(['old']);
    self.clockMs += 2 * HOUR_MS;
    write(self, 'new');
    write(self, 'problem', 'problems/segments.json.1.json');
    self.bucket.put('pipelines/not a job/x', 'y');
    await audit(self.source);
    expect(self.woken).toEqual(['old', 'new']);
  });

  test('is one consumer’s, once an interval', async () => {
    const self = world();
    write(self, 'job');
    const answers = await Promise.all([audit(self.source), audit(self.another()), audit(self.another())]);
    expect(answers.filter((jobs) => jobs !== null)).toEqual([1]);
    expect(await audit(self.source)).toBeNull();
  });

  test('that was not finished is made good by the next', async () => {
    const self = world();
    write(self, 'job');
    const away = () => Promise.reject(new MillraceError('STORE_UNREACHABLE', 'away'));
    const failing = { ...self.source, store: { ...self.source.store, put: away }, wake: away };
    expect(await audit(failing)).toBe(1);
    self.clockMs += 3 * HOUR_MS;
    expect(await audit(self.source)).toBe(1);
    expect(self.woken).toEqual(['job']);
    self.clockMs += 3 * HOUR_MS;
    expect(await audit(self.source)).toBe(0);
  });

  test('is done although one job could not be looked at: the sweep does that again', async () => {
    const self = world();
    write(self, 'broken');
    const { wake } = self.source;
    let isMended = false;
    const source = {
      ...self.source,
      wake: async (job: string) => {
        if (!isMended) throw new MillraceError('STORE_FORBIDDEN', 'not this object');
        await wake(job);
      },
    };
    self.clockMs += 2 * HOUR_MS;
    expect(await audit(source)).toBe(1);
    self.clockMs += 2 * HOUR_MS;
    expect(await audit(source)).toBe(0);
    isMended = true;
    await sweep(source);
    expect(self.woken).toEqual(['broken']);
    expect(self.keys('pipelines-state/waiting/')).toEqual([]);
  });

  test('keeps no more of itself than the next one needs', async () => {
    const self = world();
    for (let hour = 0; hour < 5; hour += 1) {
      await audit(self.source);
      self.clockMs += HOUR_MS;
    }
    expect(self.keys('pipelines-state/audits/')).toHaveLength(2);
  });

  describe('and the state of jobs whose folder was deleted', () => {
    const DAY_MS = 24 * HOUR_MS;
    const KEPT = ['runs', 'retries', 'webhooks'];
    const stateOf = (self: InMemory, job: string) => KEPT.flatMap((kind) => self.keys(`pipelines-state/${kind}/${job}/`));

    function withState(...jobs: string[]): InMemory {
      const self = world();
      for (const job of jobs) {
        for (const kind of KEPT) self.bucket.put(`pipelines-state/${kind}/${job}/cut/0/abc.1`, '{}');
      }
      return self;
    }

    test('is kept for as long as an old run may still write, and deleted then', async () => {
      const self = withState('gone');
      self.clockMs += 7 * DAY_MS;
      await audit(self.source);
      expect(stateOf(self, 'gone')).toHaveLength(3);
      self.clockMs += 2 * DAY_MS;
      await audit(self.source);
      expect(stateOf(self, 'gone')).toEqual([]);
    });

    test.each<[string, (self: InMemory) => void]>([
      ['one that is there, were it by a single object', (self) => write(self, 'gone', 'problems/x.json')],
      ['one that has a claim', (self) => self.bucket.put('pipelines-state/claims/gone/cut/0/abc.1', '{}')],
      ['one of which something was written lately', (self) => self.bucket.put('pipelines-state/runs/gone/cut/0/abc.2', '{}')],
    ])('but not of %s', async (_, keep) => {
      const self = withState('gone', 'gone-2');
      self.clockMs += 30 * DAY_MS;
      keep(self);
      await audit(self.source);
      expect(stateOf(self, 'gone').length).toBeGreaterThanOrEqual(3);
      expect(stateOf(self, 'gone-2')).toEqual([]);
    });

    test('nor of one that comes back while the audit is at work', async () => {
      const self = withState('gone');
      self.clockMs += 30 * DAY_MS;
      const list: typeof self.source.store.list = (prefix, options) => {
        if (prefix === 'pipelines-state/runs/') write(self, 'gone');
        return self.source.store.list(prefix, options);
      };
      await audit({ ...self.source, store: { ...self.source.store, list } });
      expect(stateOf(self, 'gone')).toHaveLength(3);
    });
  });

  test('is none where it is switched off', async () => {
    const self = createInMemory(undefined, { auditMinutes: 0 });
    write(self, 'job');
    expect(await audit(self.source)).toBeNull();
    expect(self.woken).toEqual([]);
  });
});

test('a job whose every event was lost is found by the sweep’s audit', async () => {
  const self = world();
  write(self, 'lost');
  self.bucket.put(layout.jobKey('lost', 'segments.json'), JSON.stringify([{ start_sec: 0, duration_sec: 1 }]));
  expect(await self.sweep()).toMatchObject({ swept: true, audited: 1 });
  expect(self.runs).toHaveLength(1);
});
