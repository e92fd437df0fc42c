/** Reads a stream of server-sent events as a browser would. */

export interface SentEvent {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

export interface EventReader {
  /** The next event; undefined at the end. Comments are counted and left out. */
  next(): Promise<SentEvent | undefined>;
  readonly comments: number;
  close(): Promise<void>;
}

export function readEvents(response: Response): EventReader {
  const reader = (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let comments = 0;
  return {
    async next() {
      for (;;) {
        const end = text.indexOf('\n\n');
        if (end < 0) {
          const { done, value } = await reader.read();
          if (done) return undefined;
          text += value;
          continue;
        }
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        const fields = new Map(
          block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
        );
        if (block.startsWith(':')) comments += 1;
        const data = fields.get('data');
        if (data !== undefined)
          return { event: fields.get('event') ?? 'message', id: fields.get('id') ?? '', data: JSON.parse(data) };
      }
    },
    get comments() {
      return comments;
    },
    close: () => reader.cancel(),
  };
}
