/**
 * Where a peer behaves otherwise than the suite asks, which is otherwise than AWS documents. A line here turns the check
 * round for that peer: it must then fail, so that a line that is no longer true is found out.
 */
import type { PeerName } from './peer.ts';

export interface Difference {
  readonly peer: PeerName;
  /** The check's whole name. */
  readonly check: string;
  /** Who does what AWS's documentation says. */
  readonly right: PeerName;
  readonly why: string;
}

export const DIFFERENCES: readonly Difference[] = [
  {
    peer: 'moto',
    check: 'a new queue has the documented attributes',
    right: 'ours',
    why: 'moto writes timestamps with fractions of a second; AWS: epoch time in seconds.',
  },
  {
    peer: 'moto',
    check: 'an attribute out of range is refused',
    right: 'ours',
    why: "moto's SetQueueAttributes takes any number.",
  },
  {
    peer: 'moto',
    check: 'an unknown attribute is refused',
    right: 'ours',
    why: 'moto ignores it; AWS: InvalidAttributeName.',
  },
  {
    peer: 'moto',
    check: 'a purge empties a queue, and a second within a minute is refused',
    right: 'ours',
    why: 'moto purges again; AWS: PurgeQueueInProgress within the last 60 seconds.',
  },
  {
    peer: 'moto',
    check: 'a body with a control character is refused',
    right: 'ours',
    why: 'moto takes #x1; AWS: InvalidMessageContents.',
  },
  {
    peer: 'moto',
    check: 'an unknown system attribute is refused',
    right: 'ours',
    why: 'moto ignores it; AWS: the valid values are listed.',
  },
  {
    peer: 'moto',
    check: 'the visibility of a message that is not in flight cannot be changed',
    right: 'ours',
    why: 'moto changes it where the handle was once right; AWS: MessageNotInflight.',
  },
];

export function differs(peer: PeerName, check: string): boolean {
  return DIFFERENCES.some((difference) => difference.peer === peer && difference.check === check);
}
