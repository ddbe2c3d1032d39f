/** Saves the work tree of a conversation, so that its uncommitted edits can be taken back. */
import { spawn } from "node:child_process";
import { type Connection, createClient, type SaveKind } from "@lastgood/sdk";
import type { HookedSession } from "./hooked-session.ts";

interface Saving {
  readonly home: string;
  readonly connection: Connection;
  readonly session: HookedSession;
  readonly workTree: string | null;
  say(text: string): void;
}

/** Told to it by the environment, where no list of processes shows it. */
const tokenVariable = "LASTGOOD_TOKEN";

/** By a process of its own that the agent does not wait for. */
export function saveInBackground(saving: Saving, session: string, kind: "start" | "change"): void {
  const { home, connection, workTree } = saving;
  if (workTree === null) return;
  saving.session.change({ savedAt: Date.now() });
  const [program = "", script = ""] = process.argv;
  const args = ["--home", home, "--url", connection.url, "work-tree", "save"];
  const how = kind === "start" ? ["--start"] : [];
  const child = spawn(
    program,
    [...process.execArgv, script, ...args, "--session", session, ...how, workTree],
    {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, [tokenVariable]: connection.token },
    },
  );
  child.once("error", (error) => saving.say(`the work tree was not saved: ${error.message}`));
  child.unref();
}

/** Waits for it, at most for `withinMs`. */
export async function saveNow(
  saving: Saving,
  session: string,
  kind: SaveKind,
  withinMs: number,
): Promise<void> {
  const { home, connection, workTree } = saving;
  if (workTree === null) return;
  try {
    // Most hooks save nothing: they start sooner without what saves.
    const { saveOnce } = await import("../work-trees/save-once.ts");
    const client = createClient(connection);
    const signal = AbortSignal.timeout(withinMs);
    await saveOnce(workTree, { home, session, kind, client, signal });
    saving.session.change({ savedAt: Date.now() });
  } catch (error) {
    saving.say(`the work tree was not saved: ${error instanceof Error ? error.message : error}`);
  }
}
