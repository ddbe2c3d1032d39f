/**
 * What Claude does to the outside world, written down before it is dispatched.
 *
 *     PreToolUse ──> begun (on the server, and here) ──> PostToolUse, PostToolUseFailure ──> told, and off
 *                                                          │ the server is away: kept here, told later
 *
 *   T1. A call that must not happen, or may have happened already, is refused or put to the person.
 *   T2. An outcome is on the disk before it is told. A call without any by the end of its session is unknown.
 */
import { type Client, Fault } from "@lastgood/sdk";
import type { HookInput } from "./hook-input.ts";
import type { CallOutcome, HookStates, PendingCall } from "./hook-state.ts";
import type { HookedSession } from "./hooked-session.ts";
import type { Reach } from "./reach.ts";
import { afterFailure, excerptOf } from "./tools.ts";

/** What the hook answers: null lets the call go on. */
export type Verdict = { readonly decision: "deny" | "ask"; readonly reason: string } | null;

export interface ToolCalls {
  begin(input: HookInput): Promise<Verdict>;
  /** Kept, and told now or later. */
  ended(input: HookInput, outcome: CallOutcome): Promise<void>;
  /** Tells what could not be told before. */
  tellKept(): Promise<void>;
}

export interface ToolCallsDeps {
  readonly client: Client;
  readonly reach: Reach;
  readonly session: HookedSession;
  readonly states: HookStates;
}

const beginMsMax = 1_000;
const tellMsMax = 1_000;
const toldAtOnce = 20;

export function createToolCalls({ client, reach, session, states }: ToolCallsDeps): ToolCalls {
  async function tell({ use, effect, session: begun, outcome }: PendingCall): Promise<void> {
    if (outcome === null) return;
    const call = () => {
      const { went } = outcome;
      if (went === "confirm") {
        return client.confirmEffect(effect, { session: begun, result: outcome.result });
      }
      const end = { session: begun, error: outcome.error };
      return went === "fail" ? client.failEffect(effect, end) : client.doubtEffect(effect, end);
    };
    try {
      await reach.ask(tellMsMax, call);
    } catch (error) {
      // Whoever is over, or was told otherwise meanwhile, is heard no more: the server keeps what it keeps.
      if (!(error instanceof Fault)) throw error;
    }
    states.forgetCall(use);
  }

  return {
    async begin({ tool }) {
      const begun = await session.within(beginMsMax, async (id) => {
        const asked = {
          session: id,
          key: `claude-code ${tool.use}`.slice(0, 300),
          kind: tool.name.slice(0, 100),
          request: excerptOf(tool.input),
          // Hooks that were installed twice ask twice: it is one call.
          attempt: tool.use,
        };
        return { ...(await client.beginEffect(asked)), id };
      });
      session.change({ heardAt: Date.now() });
      const { effect, go, id } = begun;
      if (go === "replay") {
        const result = JSON.stringify(effect.result).slice(0, 2_000);
        return {
          decision: "deny",
          reason: `This very call was made already, with the result ${result}`,
        };
      }
      if (go === "look-up") {
        const reason = `This very call was dispatched before, and nobody knows whether it happened (effect ${effect.id}). Look in the world first; then: lastgood effects settle ${effect.id}`;
        return { decision: "ask", reason };
      }
      states.keepCall({ use: tool.use, effect: effect.id, session: id, outcome: null });
      return null;
    },
    async ended({ tool }, outcome) {
      const call = states.pending().find(({ use }) => use === tool.use);
      if (call === undefined) return;
      const known = { ...call, outcome };
      states.keepCall(known);
      await tell(known);
    },
    async tellKept() {
      const kept = states.pending().filter(({ outcome }) => outcome !== null);
      for (const call of kept.slice(0, toldAtOnce)) await tell(call);
    },
  };
}

/** How the call went, in the tool's own words. */
export function outcomeOf({ event, tool }: HookInput): CallOutcome {
  if (event !== "PostToolUseFailure") return { went: "confirm", result: excerptOf(tool.response) };
  const error = (tool.error || "it failed without a word").slice(0, 2_000);
  switch (afterFailure(tool.name, error, tool.isInterrupt)) {
    case "happened":
      return { went: "confirm", result: { error } };
    case "not":
      return { went: "fail", error };
    case "unknown":
      return { went: "doubt", error };
  }
}
