/** A queue's three names: `uploads`, `http://127.0.0.1:9324/000000000000/uploads`, `arn:aws:sqs:us-east-1:000000000000:uploads`. */
import { invalidParameter, queueDoesNotExist, SqsFault } from './faults.ts';

export interface QueueAddress {
  /** `http://127.0.0.1:9324` */
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
}

const NAME_PATTERN = /^[A-Za-z0-9_-]{1,80}$/;

/** Throws what CreateQueue answers to a name that cannot be. */
export function checkQueueName(name: string): void {
  if (name.endsWith('.fifo')) {
    throw invalidParameter('QueueName', name, 'FIFO queues are not supported by this local queue; use a standard queue.');
  }
  if (!NAME_PATTERN.test(name)) {
    throw new SqsFault(
      'InvalidParameterValueException',
      'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
    );
  }
}

export function queueUrl(address: QueueAddress, name: string): string {
  return `${address.endpoint}/${address.accountId}/${name}`;
}

/** The host may be another name of this machine, so only the path counts. Throws InvalidAddress, QueueDoesNotExist. */
export function nameFromUrl(address: QueueAddress, url: string): string {
  const [account, name, ...rest] = (URL.parse(url)?.pathname ?? '').split('/').slice(1);
  if (account === undefined || name === undefined || rest.length > 0) {
    throw new SqsFault('InvalidAddress', `The address ${url} is not valid for this endpoint.`);
  }
  if (account !== address.accountId) throw queueDoesNotExist();
  return name;
}

export function queueArn(address: QueueAddress, name: string): string {
  return `arn:aws:sqs:${address.region}:${address.accountId}:${name}`;
}

/** Undefined for what is no ARN of this account and region. */
export function nameFromArn(address: QueueAddress, arn: string): string | undefined {
  const prefix = queueArn(address, '');
  return arn.startsWith(prefix) && NAME_PATTERN.test(arn.slice(prefix.length)) ? arn.slice(prefix.length) : undefined;
}
