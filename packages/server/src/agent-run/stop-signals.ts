/** Signals to `agent run`: some mean that it is to stop, the others are the program's alone. */
export interface StopSignals {
  /** Aborts when we are told to stop: which signal it was is its reason. */
  readonly stop: AbortSignal;
  /** Aborts when we are told again. */
  readonly hurry: AbortSignal;
  /** When somebody last pressed Ctrl-C, which is the program's to understand; null: never. */
  interruptedAt(): number | null;
  /** Who gets what is only passed on. */
  passTo(program: { tell(signal: NodeJS.Signals): void } | null): void;
  close(): void;
}

const passed = ["SIGWINCH", "SIGUSR1", "SIGUSR2"] as const;
const ends = ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT"] as const;

/** `onTerminal`: a program that is talked to understands Ctrl-C in its own way, and may go on. */
export function listenToSignals(onTerminal: boolean): StopSignals {
  const stop = new AbortController();
  const hurry = new AbortController();
  let program: { tell(signal: NodeJS.Signals): void } | null = null;
  let interruptedAt: number | null = null;

  function heard(signal: NodeJS.Signals): void {
    if (signal === "SIGINT" && onTerminal) {
      interruptedAt = performance.now();
      program?.tell(signal);
    } else if (stop.signal.aborted) hurry.abort(signal);
    else stop.abort(signal);
  }
  const pass = (signal: NodeJS.Signals) => program?.tell(signal);

  for (const signal of ends) process.on(signal, heard);
  for (const signal of passed) process.on(signal, pass);
  return {
    stop: stop.signal,
    hurry: hurry.signal,
    interruptedAt: () => interruptedAt,
    passTo(next) {
      program = next;
    },
    close() {
      for (const signal of ends) process.off(signal, heard);
      for (const signal of passed) process.off(signal, pass);
    },
  };
}
