/** What is to happen at a time: a heap, first by time, then in the order in which it was asked for. */

export interface Alarm {
  readonly atMs: number;
  readonly act: () => void;
}

interface Entry extends Alarm {
  readonly order: number;
}

export interface Alarms {
  add(atMs: number, act: () => void): void;
  /** The first of them, left where it is. */
  next(): Alarm | undefined;
  /** The first of them, taken out. */
  take(): Alarm | undefined;
}

export function createAlarms(): Alarms {
  const heap: Entry[] = [];
  let order = 0;

  const isBefore = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

  function rise(entry: Entry): void {
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(entry, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = entry;
  }

  function sink(entry: Entry): void {
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [a, b] = [heap[left], heap[left + 1]];
      const isRight = a !== undefined && b !== undefined && isBefore(b, a);
      const child = isRight ? b : a;
      if (child === undefined || !isBefore(child, entry)) break;
      heap[at] = child;
      at = isRight ? left + 1 : left;
    }
    heap[at] = entry;
  }

  return {
    add: (atMs, act) => rise({ atMs, act, order: order++ }),
    next: () => heap[0],
    take() {
      const first = heap[0];
      const last = heap.pop();
      if (last !== undefined && last !== first) sink(last);
      return first;
    },
  };
}
