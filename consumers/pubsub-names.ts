/** `projects/<project>/subscriptions/<id>` and `projects/<project>/topics/<id>`, as Google writes them. */
import { MillraceError } from '../errors.ts';

export interface PubsubName {
  readonly projectId: string;
  readonly id: string;
}

/** A project may belong to a domain (`example.com:my-project`); emulators take any name. */
const NAME = /^projects\/([a-z0-9][a-z0-9.:-]{0,99})\/(subscriptions|topics)\/([A-Za-z][A-Za-z0-9._~+%-]{2,254})$/;

/** Throws CONFIG_INVALID. `setting` is what its reader has to correct. */
export function parseSubscriptionName(name: string, setting = 'The subscription'): PubsubName {
  return parse(name, 'subscriptions', setting);
}

/** Throws CONFIG_INVALID. `setting` is what its reader has to correct. */
export function parseTopicName(name: string, setting = 'The topic'): PubsubName {
  return parse(name, 'topics', setting);
}

function parse(name: string, wanted: 'subscriptions' | 'topics', setting: string): PubsubName {
  const [, projectId, kind, id] = NAME.exec(name) ?? [];
  if (projectId !== undefined && id !== undefined && kind === wanted) return { projectId, id };
  const found = kind === undefined ? 'is not a name of Pub/Sub' : `names one of the ${kind}`;
  throw new MillraceError('CONFIG_INVALID', `${setting} ${found}: ${JSON.stringify(name.slice(0, 300))}.`, {
    fix: `Write it as projects/<project>/${wanted}/<id>; \`gcloud pubsub ${wanted} list\` shows them.`,
  });
}
