/**
 * SQS's errors. In the JSON protocol an error is `{"__type": "com.amazonaws.sqs#<name>", "message": …}`; clients that were
 * written against the old query protocol read its other name from the header `x-amzn-query-error`.
 */

interface FaultEntry {
  readonly status: number;
  /** The name in the query protocol, where it differs. */
  readonly queryCode?: string;
  /** Coral's own errors, which SQS's model does not list, live in another namespace. */
  readonly namespace?: 'com.amazon.coral.service';
  readonly fault?: 'Receiver';
}

const coral = 'com.amazon.coral.service';
const legacy = (name: string, status = 400): FaultEntry => ({ status, queryCode: `AWS.SimpleQueueService.${name}` });

const table = {
  BatchEntryIdsNotDistinct: legacy('BatchEntryIdsNotDistinct'),
  BatchRequestTooLong: legacy('BatchRequestTooLong'),
  EmptyBatchRequest: legacy('EmptyBatchRequest'),
  InvalidAddress: { status: 404 },
  InvalidAttributeName: { status: 400 },
  InvalidAttributeValue: { status: 400 },
  InvalidBatchEntryId: legacy('InvalidBatchEntryId'),
  InvalidMessageContents: { status: 400 },
  MessageNotInflight: legacy('MessageNotInflight'),
  OverLimit: { status: 403 },
  PurgeQueueInProgress: legacy('PurgeQueueInProgress', 403),
  QueueDoesNotExist: legacy('NonExistentQueue'),
  QueueNameExists: { status: 400, queryCode: 'QueueAlreadyExists' },
  ReceiptHandleIsInvalid: { status: 404 },
  ResourceNotFoundException: { status: 404 },
  TooManyEntriesInBatchRequest: legacy('TooManyEntriesInBatchRequest'),
  UnsupportedOperation: legacy('UnsupportedOperation'),

  InvalidParameterValueException: { status: 400, queryCode: 'InvalidParameterValue', namespace: coral },
  MissingRequiredParameterException: { status: 400, queryCode: 'MissingParameter', namespace: coral },
  UnknownOperationException: { status: 400, queryCode: 'InvalidAction', namespace: coral },
  SerializationException: { status: 400, queryCode: 'MalformedInput', namespace: coral },
  RequestEntityTooLargeException: { status: 413, namespace: coral },
  MissingAuthenticationTokenException: { status: 403, queryCode: 'MissingAuthenticationToken', namespace: coral },
  IncompleteSignatureException: { status: 400, queryCode: 'IncompleteSignature', namespace: coral },
  UnrecognizedClientException: { status: 403, queryCode: 'InvalidClientTokenId', namespace: coral },
  InvalidSignatureException: { status: 403, queryCode: 'SignatureDoesNotMatch', namespace: coral },
  InternalFailure: { status: 500, namespace: coral, fault: 'Receiver' },
  ServiceUnavailable: { status: 503, namespace: coral, fault: 'Receiver' },
} as const satisfies Record<string, FaultEntry>;

export type FaultName = keyof typeof table;
const entries: Readonly<Record<FaultName, FaultEntry>> = table;

/** Answered to the client in SQS's shape; its message holds nothing of a message's body and no key. */
export class SqsFault extends Error {
  override readonly name = 'SqsFault';
  readonly code: FaultName;

  constructor(code: FaultName, message: string) {
    super(message);
    this.code = code;
  }

  get status(): number {
    return entries[this.code].status;
  }

  /** `com.amazonaws.sqs#QueueDoesNotExist` */
  get type(): string {
    return `${entries[this.code].namespace ?? 'com.amazonaws.sqs'}#${this.code}`;
  }

  /** `AWS.SimpleQueueService.NonExistentQueue`; also the `Code` of a batch's failed entry. */
  get queryCode(): string {
    return entries[this.code].queryCode ?? this.code;
  }

  get isSenderFault(): boolean {
    return entries[this.code].fault !== 'Receiver';
  }
}

/** The fault for a parameter whose value is out of range, in AWS's wording. */
export function invalidParameter(name: string, value: string | number, reason: string): SqsFault {
  return new SqsFault('InvalidParameterValueException', `Value ${value} for parameter ${name} is invalid. Reason: ${reason}`);
}

export function missingParameter(name: string): SqsFault {
  return new SqsFault('MissingRequiredParameterException', `The request must contain the parameter ${name}.`);
}

export function queueDoesNotExist(): SqsFault {
  return new SqsFault('QueueDoesNotExist', 'The specified queue does not exist.');
}
