import { channel } from "node:diagnostics_channel";
import type { Logger } from "pino";

/** Something that acts by itself until it is stopped. */
export interface Loop {
  /** Runs now instead of at the next turn; wakes during a turn are folded into one further turn. */
  wake(): void;
  /** Resolves when the turn under way has ended. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  readonly name: string;
  readonly everyMs: number;
  readonly log: Logger;
  /** One turn. It must be safe to repeat: a turn that throws is logged and tried again. */
  run(signal: AbortSignal): Promise<void>;
}

/** The diagnostics channel on which every turn is told as a `LoopTurn`. */
export const loopTurns = "lastgood:loop-turn";

export interface LoopTurn {
  readonly loop: string;
  readonly ok: boolean;
  readonly milliseconds: number;
}

const backoffMsMax = 5_000;

/**
 * Calls `run` every `everyMs`, never twice at once. A turn that throws (a lost database connection,
 * a remote that is down) is logged with its cause and repeated with backoff: a loop never dies silently.
 */
export function startLoop({ name, everyMs, log, run }: LoopOptions): Loop {
  const stopping = new AbortController();
  let woken = false;
  let rouse = () => {};
  let failures = 0;
  const told = channel(loopTurns);

  async function turns(): Promise<void> {
    while (!stopping.signal.aborted) {
      woken = false;
      const began = performance.now();
      const tell = (ok: boolean) =>
        told.publish({ loop: name, ok, milliseconds: performance.now() - began });
      try {
        await run(stopping.signal);
        failures = 0;
        tell(true);
      } catch (error) {
        if (stopping.signal.aborted) return;
        failures += 1;
        tell(false);
        log.error(
          { err: error, loop: name, failures },
          "a loop's turn failed; it will be repeated",
        );
      }
      if (!woken || failures > 0) await rest(pause(everyMs, failures));
    }
  }

  function rest(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      rouse = () => {
        clearTimeout(timer);
        resolve();
      };
      if (stopping.signal.aborted) rouse();
    });
  }

  const ended = turns();
  return {
    wake() {
      woken = true;
      rouse();
    },
    async stop() {
      stopping.abort();
      rouse();
      await ended;
    },
  };
}

function pause(everyMs: number, failures: number): number {
  return failures === 0 ? everyMs : Math.min(backoffMsMax, everyMs * 2 ** Math.min(failures, 6));
}
