import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

export type Said =
  | { readonly said: "ready"; readonly postgres: number; readonly adopted: boolean }
  | { readonly said: "row"; readonly writer: number; readonly number: number }
  | { readonly said: "away"; readonly code: string }
  | { readonly said: "stopped" };

export interface Opener extends AsyncDisposable {
  readonly pid: number;
  /** Everything said so far. */
  readonly told: readonly Said[];
  /** The next line of this kind, said already or to come; fails when the process ends before. */
  heard<K extends Said["said"]>(kind: K): Promise<Extract<Said, { said: K }>>;
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts `opener-child.ts` on a home, in a process of its own. */
export function startOpener(home: string, mode: "open" | "write" = "open"): Opener {
  const child = spawn(
    process.execPath,
    ["--conditions=development", join(import.meta.dirname, "opener-child.ts"), home, mode],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-4_000);
  });
  const told: Said[] = [];
  const ended = once(child, "close").then(([code]) => code as number | null);
  createInterface(child.stdout).on("line", (line) => {
    told.push(JSON.parse(line) as Said);
    child.emit("said");
  });
  return {
    pid: child.pid ?? -1,
    told,
    async heard<K extends Said["said"]>(kind: K) {
      for (let from = 0; ; ) {
        const found = told.slice(from).find((each) => each.said === kind);
        from = told.length;
        if (found !== undefined) return found as Extract<Said, { said: K }>;
        const event = await Promise.race([once(child, "said"), ended.then(() => "ended" as const)]);
        if (event === "ended") throw new Error(`it ended without saying ${kind}: ${complaint}`);
      }
    },
    async kill(signal) {
      child.kill(signal);
      return await ended;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill("SIGKILL");
      await ended;
    },
  };
}
