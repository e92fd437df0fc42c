/** Long polls wait here by topic, and are woken the moment something happens. */
export interface WakeUps {
  /** Resolves when `topic` is woken, after `ms`, or when `signal` aborts; never rejects. */
  wait(topic: string, ms: number, signal: AbortSignal): Promise<void>;
  wake(topic: string): void;
}

export function createWakeUps(): WakeUps {
  const sleepers = new Map<string, Set<() => void>>();
  return {
    wake(topic) {
      for (const sleeper of [...(sleepers.get(topic) ?? [])]) sleeper();
    },
    wait: (topic, ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const here = sleepers.get(topic) ?? new Set();
        sleepers.set(topic, here);
        const end = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          here.delete(end);
          if (here.size === 0 && sleepers.get(topic) === here) sleepers.delete(topic);
          resolve();
        };
        const timer = setTimeout(end, ms);
        signal.addEventListener('abort', end, { once: true });
        here.add(end);
      }),
  };
}
