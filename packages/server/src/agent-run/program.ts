/** The program that is wrapped: started as the leader of a group of its own, and seen to its end. */
import { once } from "node:events";
import { Fault } from "../fault.ts";
import {
  doingOf,
  endGroup,
  type ProcessIdentity,
  startGroup,
  tellGroup,
} from "../process-group.ts";
import type { ProgramEnd } from "./agent-run.ts";
import { memoryKills, memoryKillsFile } from "./memory-kills.ts";

export interface Program {
  readonly identity: ProcessIdentity;
  /** Resolves when its leader has ended. What it left behind in its group may live on. */
  readonly ended: Promise<ProgramEnd>;
  doing(): "runs" | "stopped" | "gone";
  tell(signal: NodeJS.Signals): void;
  /** SIGTERM to all of it, and SIGKILL for what is left after `graceMs`. */
  end(graceMs: number): Promise<void>;
}

/**
 * Starts it with our own input and output, so that a terminal stays one. `missing_program` when there is no
 * such program.
 */
export async function startProgram(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Program> {
  const { child, leader } = startGroup(command, { cwd: process.cwd(), env, stdio: "inherit" });
  const exited = once(child, "exit");
  if (leader === null) {
    const cause = await exited.catch((error: unknown) => error);
    throw notStarted(command, cause);
  }
  const counted = memoryKillsFile(leader.pid);
  const before = memoryKills(counted);
  const ended = exited.then(([code, signal]: (number | NodeJS.Signals | null)[]): ProgramEnd => {
    const after = memoryKills(counted);
    return {
      code: typeof code === "number" ? code : null,
      signal: typeof signal === "string" ? signal : null,
      outOfMemory: signal === "SIGKILL" && before !== null && after !== null && after > before,
    };
  });
  return {
    identity: leader,
    ended,
    doing: () => doingOf(leader),
    tell: (signal) => tellGroup(leader, signal),
    end: (graceMs) => endGroup(leader, graceMs),
  };
}

function notStarted([program = ""]: readonly string[], cause: unknown): Fault {
  const because = cause instanceof Error ? ` (${cause.message})` : "";
  return new Fault(
    "missing_program",
    `${program} cannot be started${because}: write the command after \`--\` as a shell would find it.`,
    { cause },
  );
}
