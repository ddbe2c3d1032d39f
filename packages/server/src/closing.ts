/** What was opened and must be closed: in the reverse order, each once, all of it even when one fails. */
export interface Closing {
  add(close: () => void | Promise<void>): void;
  /** Closes everything; rejects with the first failure after all were tried. A second call does nothing. */
  close(): Promise<void>;
}

export function createClosing(): Closing {
  const closers: (() => void | Promise<void>)[] = [];
  let closed: Promise<void> | null = null;

  async function closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) {
      try {
        await next();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  return {
    add: (close) => void closers.push(close),
    close() {
      closed ??= closeAll();
      return closed;
    },
  };
}
