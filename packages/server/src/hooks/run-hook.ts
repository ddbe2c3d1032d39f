/**
 * What a hook does, from its input to its answer.
 *
 *   R1. A hook never breaks its agent: whatever goes wrong is said on stderr, the exit is 0, and a server that is
 *       away costs less than a third of a second.
 *   R2. Only one thing stops a tool: that the session is fenced, its agent parked or contained, or that this very
 *       call may have been made before.
 */
import { type Connection, createClient } from "@lastgood/sdk";
import { workTreeAround } from "../work-trees/find-work-tree.ts";
import { type HookInput, parseHookInput } from "./hook-input.ts";
import { openHookStates } from "./hook-state.ts";
import { createHookedSession, type HookedSession, Refused } from "./hooked-session.ts";
import { Away, createReach, type Reach } from "./reach.ts";
import { saveInBackground, saveNow } from "./save-tree.ts";
import { createToolCalls, outcomeOf, type ToolCalls, type Verdict } from "./tool-calls.ts";
import { kindOfTool } from "./tools.ts";

export interface HookRun {
  readonly event: string;
  /** What stood on the standard input. */
  readonly text: string;
  readonly agent: string | null;
  readonly home: string;
  /** Faults where there is no token. */
  connection(): Connection;
}

export interface HookAnswer {
  /** For stdout; null: nothing. */
  readonly output: object | null;
  /** For stderr. */
  readonly said: readonly string[];
}

interface Hook {
  readonly input: HookInput;
  readonly home: string;
  readonly connection: Connection;
  readonly reach: Reach;
  readonly session: HookedSession;
  readonly calls: ToolCalls;
  readonly workTree: string | null;
  say(text: string): void;
}

const freshMs = 60_000;

export async function runHook(run: HookRun): Promise<HookAnswer> {
  const said: string[] = [];
  const say = (text: string) => void said.push(text);
  try {
    const input = parseHookInput(run.text, run.event);
    if (input === null) return { output: null, said: ["this is no input of a Claude Code hook"] };
    const hook = prepare(run, input, say);
    return { output: await act(hook), said };
  } catch (error) {
    return { output: null, said: [...said, wordsOf(error)] };
  }
}

function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return error instanceof Away ? `Lastgood is away, and the agent goes on without: ${text}` : text;
}

function prepare(run: HookRun, input: HookInput, say: (text: string) => void): Hook {
  const { home, agent } = run;
  const connection = run.connection();
  const client = createClient(connection);
  const project = process.env.CLAUDE_PROJECT_DIR || input.cwd || process.cwd();
  const states = openHookStates(home, input.claudeSession);
  const reach = createReach({
    url: connection.url,
    awayUntil: () => states.read()?.awayUntil ?? 0,
    wentAway: (until) => session.change({ awayUntil: until }),
  });
  const isAgentToken = connection.token.startsWith("lg_agent_");
  const session = createHookedSession({
    ...{ client, reach, states, input, project, agent, isAgentToken },
  });
  const calls = createToolCalls({ client, reach, session, states });
  const workTree = workTreeAround(input.cwd || project);
  return { input, home, connection, reach, session, calls, workTree, say };
}

async function act(hook: Hook): Promise<object | null> {
  switch (hook.input.event) {
    case "SessionStart":
      return await sessionStart(hook);
    case "PreToolUse":
      return await preToolUse(hook);
    case "PostToolUse":
    case "PostToolUseFailure":
      return await afterToolUse(hook);
    case "PreCompact":
      return await preCompact(hook);
    case "SessionEnd":
      return await sessionEnd(hook);
    default:
      await hook.session.require(freshMs);
      return null;
  }
}

async function sessionStart(hook: Hook): Promise<object | null> {
  const { input, session } = hook;
  const inContext = (additionalContext: string) => ({
    hookSpecificOutput: { hookEventName: "SessionStart", additionalContext },
  });
  try {
    const id = input.source === "compact" ? await session.require(0) : await session.begin();
    saveInBackground(hook, id, input.source === "compact" ? "change" : "start");
    // The other hooks start sooner without what reads work trees.
    const { briefFor } = await import("./brief-answer.ts");
    return inContext(await briefFor(hook, id));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return inContext(`Lastgood: ${error.message}`);
  }
}

async function preToolUse(hook: Hook): Promise<object | null> {
  const { input, session, calls, workTree, say } = hook;
  const kind = kindOfTool(input.tool.name, input.tool.input, workTree);
  try {
    if (kind !== "acts" || input.tool.use === "") {
      if (kind === "acts") say(`${input.tool.name} was not written down: it has no id`);
      await session.require(freshMs);
      return null;
    }
    return verdict(await calls.begin(input));
  } catch (error) {
    if (error instanceof Refused) return verdict({ decision: "deny", reason: error.message });
    say(`${input.tool.name} was not written down`);
    throw error;
  }
}

function verdict(said: Verdict): object | null {
  if (said === null) return null;
  return {
    hookSpecificOutput: {
      hookEventName: "PreToolUse",
      permissionDecision: said.decision,
      permissionDecisionReason: `Lastgood: ${said.reason}`,
    },
  };
}

const savedEveryMs = 30_000;

async function afterToolUse(hook: Hook): Promise<null> {
  const { input, session, calls } = hook;
  await calls.ended(input, outcomeOf(input));
  await calls.tellKept();
  const { session: id, savedAt } = session.state();
  if (id !== null && Date.now() - savedAt >= savedEveryMs) saveInBackground(hook, id, "change");
  return null;
}

const compactSaveMsMax = 30_000;
const endSaveMsMax = 8_000;
const endMsMax = 2_000;

async function preCompact(hook: Hook): Promise<null> {
  const id = await hook.session.require(0);
  await hook.calls.tellKept();
  await saveNow(hook, id, "change", compactSaveMsMax);
  return null;
}

/** As whoever ends it means it: a conversation that is done has completed, one that is left was stopped. */
const stoppedBy: readonly string[] = ["prompt_input_exit", "logout", "bypass_permissions_disabled"];

async function sessionEnd(hook: Hook): Promise<null> {
  const { input, session, calls, reach, connection } = hook;
  const { session: id, isJoined } = session.state();
  if (id === null) return null;
  await calls.tellKept();
  await saveNow(hook, id, "end", endSaveMsMax);
  if (isJoined) return null;
  const reason = stoppedBy.includes(input.reason) ? "stopped" : "completed";
  const detail = `Claude Code: ${input.reason || "its session ended"}`;
  const client = createClient(connection);
  await reach.ask(endMsMax, () => client.endSession(id, { reason, detail }));
  session.forget();
  return null;
}
