/**
 * The session that a conversation of Claude Code works in, whichever of its hooks asks.
 *
 *   H1. It is opened at the start, and again where it had lapsed while nobody was looking: the agent lives.
 *   H2. One that another took over, that was parked or contained is not opened again: what the agent would do is
 *       refused.
 *   H3. One that `lastgood agent run` opened is joined, and its end left to whoever opened it.
 */
import { basename } from "node:path";
import { type Client, Fault } from "@lastgood/sdk";
import { ownHost } from "../own-host.ts";
import { isAlive } from "../process-group.ts";
import { workTreeAround } from "../work-trees/find-work-tree.ts";
import { findClaude } from "./claude-process.ts";
import type { HookInput } from "./hook-input.ts";
import type { HookState, HookStates } from "./hook-state.ts";
import type { Reach } from "./reach.ts";

/** What the agent would do is refused, and this is why. */
export class Refused extends Error {
  override readonly name = "Refused";
}

export interface HookedSession {
  state(): HookState;
  change(some: Partial<HookState>): void;
  /** It has ended. */
  forget(): void;
  /** A conversation begins, in another session or on with its own: whoever starts it means to work. */
  begin(): Promise<string>;
  /** A sign of life, if the last is older than `freshMs`; opens a session where there is none. */
  require(freshMs: number): Promise<string>;
  /** Acts in the session; in another one, once, where it turns out to have lapsed. */
  within<T>(withinMs: number, act: (session: string) => Promise<T>): Promise<T>;
}

export interface HookedSessionDeps {
  readonly client: Client;
  readonly reach: Reach;
  readonly states: HookStates;
  readonly input: HookInput;
  readonly project: string;
  /** As named by whoever installed the hooks. */
  readonly agent: string | null;
  /** The token is an agent's own: it says whose the session is. */
  readonly isAgentToken: boolean;
}

/** As long as may be: between its events nobody beats for an agent that waits for a person. */
const leaseMs = 600_000;
const openMsMax = 5_000;
const beatMsMax = 1_000;
const refusing: readonly unknown[] = ["fenced", "parked"];
const refusingFaults: readonly string[] = ["parked", "contained"];

export function createHookedSession(deps: HookedSessionDeps): HookedSession {
  const { client, reach, states } = deps;
  let state = states.read() ?? firstState(deps);

  function change(some: Partial<HookState>): void {
    state = { ...state, ...some };
    states.write(state);
  }

  /** Another hook of the conversation may have opened one meanwhile. */
  async function openOther(than: string | null, withinMs: number): Promise<string> {
    return await states.alone(async () => {
      state = states.read() ?? state;
      if (state.session !== null && state.session !== than) return state.session;
      const claude = state.claude !== null && isAlive(state.claude) ? state.claude : findClaude();
      const agent = state.agent ?? (state.isDerived ? freeName(deps, state.project) : null);
      const path = workTreeAround(deps.input.cwd || deps.project);
      const opened = await reach.ask(withinMs, () =>
        client.openSession({
          ...{ door: "hooks", leaseMs },
          ...(agent === null ? {} : { agent }),
          ...(path === null ? {} : { workTree: { path, host: ownHost() } }),
          ...(claude === null ? {} : { process: { host: ownHost(), ...claude } }),
        }),
      );
      const { session_id: session } = opened.record;
      change({ session, claude, agent: opened.record.agent, heardAt: Date.now() });
      return session;
    });
  }

  /** Why the session is over: whether another may take its place. */
  async function afterEnd(session: string, withinMs: number): Promise<string> {
    const ended = await reach
      .ask(beatMsMax, () => client.sessionOf(session))
      .catch((error) => {
        if (error instanceof Fault && error.code === "not_found") return null;
        throw error;
      });
    const reason = ended?.record.exit_reason ?? null;
    if (refusing.includes(reason) || state.isJoined) {
      throw new Refused(
        `The session ${session} is over (${reason ?? "gone"}: ${ended?.detail ?? "the server does not know it"}). Stop working.`,
      );
    }
    return await openOther(session, withinMs);
  }

  async function within<T>(ms: number, act: (session: string) => Promise<T>): Promise<T> {
    const session = state.session ?? (await refusals(() => openOther(null, ms)));
    try {
      return await refusals(() => reach.ask(ms, () => act(session)));
    } catch (error) {
      const isOver = error instanceof Fault && ["fenced", "not_found"].includes(error.code);
      if (!isOver) throw error;
      const other = await refusals(() => afterEnd(session, ms));
      return await refusals(() => reach.ask(ms, () => act(other)));
    }
  }

  return {
    state: () => state,
    change,
    forget: () => states.forget(),
    within,
    async begin() {
      const { session, isJoined, claude } = state;
      const goesOn = isJoined || (claude !== null && isAlive(claude));
      if (session === null || !goesOn) return await refusals(() => openOther(session, openMsMax));
      try {
        await refusals(() => reach.ask(beatMsMax, () => client.heartbeat(session)));
        change({ heardAt: Date.now() });
        return session;
      } catch (error) {
        const isOver = error instanceof Fault && ["fenced", "not_found"].includes(error.code);
        if (!isOver || isJoined) throw error;
        return await refusals(() => openOther(session, openMsMax));
      }
    },
    async require(freshMs) {
      const isFresh = Date.now() - state.heardAt < freshMs;
      if (state.session !== null && isFresh) return state.session;
      return await within(beatMsMax, async (session) => {
        await client.heartbeat(session);
        change({ heardAt: Date.now() });
        return session;
      });
    },
  };
}

/** A parked or contained agent may not work. */
async function refusals<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Fault && refusingFaults.includes(error.code)) {
      throw new Refused(error.message, { cause: error });
    }
    throw error;
  }
}

function firstState(deps: HookedSessionDeps): HookState {
  const joined = process.env.LASTGOOD_SESSION || null;
  const named = deps.agent ?? (process.env.LASTGOOD_AGENT || null);
  return {
    project: deps.project,
    agent: named,
    isDerived: named === null && joined === null && !deps.isAgentToken,
    session: joined,
    isJoined: joined !== null,
    claude: null,
    ...{ heardAt: 0, savedAt: 0, awayUntil: 0 },
  };
}

/**
 * The project's name, or with a number where another conversation of this machine works under it: an agent
 * lives once, and whoever opens a second terminal does not mean to end the first.
 */
function freeName({ states }: HookedSessionDeps, project: string): string {
  const plain = basename(project)
    .replaceAll(/[^\w.-]/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 90);
  const name = plain === "" ? "claude" : plain;
  const taken = new Set(
    states
      .others()
      .filter(({ claude, session }) => session !== null && claude !== null && isAlive(claude))
      .map(({ agent }) => agent),
  );
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!taken.has(candidate)) return candidate;
  }
}
