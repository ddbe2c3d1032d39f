import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../free-port.ts";
import { statusOf } from "../../health-status.ts";
import { endGroup, type ProcessIdentity, startGroup } from "../../process-group.ts";
import { Target } from "./keeper-front.ts";
import type { KeeperLog } from "./keeper-log.ts";
import { outputBytesMax, type ServeOrder } from "./keeper-protocol.ts";

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not even be started; null for a process that ran. */
  readonly error: string | null;
}

/** One process group that serves one revision on a private port. */
export interface Instance {
  readonly order: ServeOrder;
  readonly target: Target;
  readonly identity: ProcessIdentity | null;
  readonly exited: Promise<Exit>;
  hasExited(): boolean;
  /** The last 16 kB of what it wrote. */
  output(): string;
  /** Ends the whole group; resolves when nothing of it lives. */
  end(): Promise<void>;
}

const stopGraceMs = 2_000;

/** Starts the order's command in its directory with PORT and REVISION set. It need not be healthy yet. */
export async function startInstance(order: ServeOrder, log: KeeperLog): Promise<Instance> {
  const port = await freePort();
  const { child, leader: identity } = startGroup(order.start, {
    cwd: order.directory,
    env: { ...order.env, PORT: String(port), REVISION: order.revision },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const target = new Target(port);
  let output = "";
  let exit: Exit | null = null;
  const who = `${order.revision.slice(0, 10)}[${child.pid ?? "-"}]`;
  const keep = (text: string) => {
    output = (output + text).slice(-outputBytesMax);
  };
  const copied = [child.stdout, child.stderr].map((stream) =>
    stream === null ? undefined : log.copy(stream, who, keep),
  );
  const exited = new Promise<Exit>((resolve) => {
    child.once("error", (error) => resolve({ code: null, signal: null, error: error.message }));
    child.once("exit", (code, signal) => resolve({ code, signal, error: null }));
  }).then(async (found) => {
    exit = found;
    target.idle.destroy();
    // What it wrote last belongs to its exit; a grandchild that holds the pipe open is not waited for.
    await Promise.race([Promise.allSettled(copied), pause(250, undefined, { ref: false })]);
    return found;
  });
  return {
    order,
    target,
    identity,
    exited,
    hasExited: () => exit !== null,
    output: () => output,
    async end() {
      if (identity !== null) await endGroup(identity, stopGraceMs);
      await exited;
    },
  };
}

/** Null once it answered 200 under the health path; otherwise why it did not within `readyMs`. */
export async function untilHealthy(instance: Instance): Promise<string | null> {
  const { health, readyMs } = instance.order;
  const deadline = performance.now() + readyMs;
  let last = "did not answer";
  while (performance.now() < deadline) {
    if (instance.hasExited()) return await describeExit(instance);
    const answer = await statusOf(instance.target.port, health, deadline - performance.now());
    if (answer === 200) return null;
    if (answer !== null) last = `answered ${answer}`;
    await Promise.race([instance.exited, pause(30)]);
  }
  return `${health} ${last} within ${readyMs} ms`;
}

async function describeExit({ exited }: Instance): Promise<string> {
  const { code, signal, error } = await exited;
  if (error !== null) return `it could not be started: ${error}`;
  return `it exited with ${signal ?? `code ${code}`} before it was healthy`;
}
