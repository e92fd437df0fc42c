/** Whether a bucket's notifications say what Millrace needs to hear, and no more. The same for all clouds, and pure. */
import { type Finding, wrong } from './finding.ts';

/** One rule that sends to the queue. */
export interface NotificationRule {
  /** What its owner knows it by. */
  readonly id: string;
  /** Empty for all keys. */
  readonly prefix: string;
  readonly suffix: string;
  /** Those of `wantedEvents` that it tells of. */
  readonly events: ReadonlySet<string>;
}

export interface WantedNotifications {
  /** `pipelines` */
  readonly pipelinesPrefix: string;
  /** `pipelines-state` */
  readonly statePrefix: string;
  /** In the cloud's own names; without one of these writes go unnoticed. */
  readonly created: readonly string[];
  /** Without one of these a deletion is only noticed at the next look at its job. */
  readonly removed: readonly string[];
  /** The command or the change that makes it right. */
  readonly fix: (rule: NotificationRule | undefined) => string;
}

/** What is wrong; empty where everything is right. `queue` is how a reader knows it. */
export function judgeRules(rules: readonly NotificationRule[], wanted: WantedNotifications, queue: string): Finding[] {
  const { fix } = wanted;
  const folder = `${wanted.pipelinesPrefix}/`;
  const state = `${wanted.statePrefix}/`;
  if (rules.length === 0) return [wrong(`the bucket tells ${queue} nothing`, fix(undefined))];
  const wrongs: Finding[] = [];
  for (const rule of rules.filter(({ prefix, suffix }) => suffix === '' && state.startsWith(prefix))) {
    const slash = rule.prefix === wanted.pipelinesPrefix ? ', without its slash,' : '';
    const prefix = rule.prefix === '' ? 'has no prefix' : `has the prefix ${rule.prefix}${slash}`;
    const found = `the rule ${rule.id} ${prefix} and so matches ${state} too: every claim would wake its own job. Expected ${folder}`;
    wrongs.push(wrong(found, fix(rule)));
  }
  const covering = rules.filter(({ prefix, suffix }) => suffix === '' && folder.startsWith(prefix));
  const [first] = rules;
  if (covering.length === 0) {
    const shown = rules.map(({ id, prefix, suffix }) => `${id} has ${keysOf(prefix, suffix)}`).join(', ');
    return [wrong(`no rule tells ${queue} of all keys under ${folder}: ${shown}`, fix(first))];
  }
  const told = new Set(covering.flatMap(({ events }) => [...events]));
  const rule = covering[0];
  const missing = wanted.created.filter((event) => !told.has(event));
  if (missing.length > 0)
    wrongs.push(wrong(`${queue} is not told of ${missing.join(', ')}: such writes set nothing off`, fix(rule)));
  const deaf = wanted.removed.filter((event) => !told.has(event));
  if (deaf.length > 0) {
    wrongs.push(
      wrong(`${queue} is not told of ${deaf.join(', ')}: deletions are only noticed at the next look at their job`, fix(rule)),
    );
  }
  return wrongs;
}

function keysOf(prefix: string, suffix: string): string {
  const beginning = prefix === '' ? '' : ` the prefix ${prefix}`;
  const end = suffix === '' ? '' : ` the suffix ${suffix}`;
  return `${beginning}${beginning !== '' && end !== '' ? ' and' : ''}${end}`.trim();
}
