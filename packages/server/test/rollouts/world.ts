/** A server whose judge says what the test tells it to, and the words that tests about rollouts share. */
import { isDeepStrictEqual } from "node:util";
import type { Client, Rollout } from "@lastgood/sdk";
import type { Seams } from "../../src/main.ts";
import type { Gate, ReleaseJudge, ReleaseVerdict, Watched } from "../../src/rollouts/neighbours.ts";
import type { Db } from "../../src/store/database.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";

export const production = "production";

export interface HandJudge extends ReleaseJudge {
  /** What it says from now on, of everything that is watched. */
  say(kind: ReleaseVerdict["kind"], more?: Partial<ReleaseVerdict>): void;
  readonly watched: ReadonlyMap<string, Watched>;
}

export function handJudge(): HandJudge {
  const watched = new Map<string, Watched>();
  const listeners = new Set<Parameters<ReleaseJudge["onVerdict"]>[0]>();
  let verdict = verdictOf("insufficient");
  return {
    watched,
    watch(one) {
      const dial = `${one.environment}/${one.artifact}`;
      // Told anew in the same words, as after a moment without its office, it goes on with what it has.
      if (!isDeepStrictEqual(watched.get(dial), one)) watched.set(dial, one);
    },
    unwatch: (environment, artifact) => void watched.delete(`${environment}/${artifact}`),
    verdictOf({ environment, artifact, candidate }) {
      const one = watched.get(`${environment}/${artifact}`);
      return one?.candidate === candidate ? { ...verdict, control: one.control } : null;
    },
    onVerdict(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    say(kind, more = {}) {
      verdict = { ...verdictOf(kind), ...more };
      for (const { environment, artifact } of watched.values()) {
        for (const listener of listeners) listener({ environment, artifact });
      }
    },
  };
}

function verdictOf(kind: ReleaseVerdict["kind"]): ReleaseVerdict {
  const says = kind === "regression" ? "accuracy 0.71 against 0.92 (e = 41)" : kind;
  return {
    ...{ kind, says, signal: "accuracy", dimension: null, method: "paired", evidence: 41 },
    ...{ level: 0.71, against: 0.92, samples: 60, onset: null, control: null },
    ...{ controlIsWell: true, failing: [] },
  };
}

/** Lets everything through; what the real one does is tested in its own room. */
const openGate: Gate = {
  judge: async () => ({ kind: "promote", because: "the gate is open", scores: [], failed: [] }),
};

const routerSettings = {
  ramp: [10, 50, 100],
  ...{ hold: "0ms", reverse: [10, 100], reverseHold: "0ms", bake: "1h" },
  guardrails: [{ signal: "accuracy" }],
};

/** `router`, a model with a policy, whose v13 serves everybody; v14 and v15 are published. */
export async function startRouter(
  settings: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
  seams: Omit<Seams, "judge"> = {},
): Promise<TestServer & { readonly judge: HandJudge }> {
  const judge = handJudge();
  const rollouts = { router: { ...routerSettings, ...settings } };
  const server = await startServer(
    { mode: "auto", rollouts, ...more },
    { gate: openGate, ...seams, judge },
  );
  const { client } = server;
  await publishRouter(client, ["v13", "v14", "v15"]);
  return { ...server, judge };
}

/** The first of them serves everybody. */
export async function publishRouter(
  client: Client,
  versions: readonly [string, ...string[]] = ["v13", "v14"],
): Promise<void> {
  await client.declareArtifact("router", { kind: "model", inFlight: "switch" });
  for (const version of versions) {
    await client.publishRelease("router", { version, content: { model: version } });
  }
  const [version] = versions;
  await client.deployRelease(production, "router", { version, because: "the first" });
}

export function start(client: Client, version = "v14", more: object = {}): Promise<Rollout> {
  return client.startRollout(production, "router", { version, because: "fewer tokens", ...more });
}

/** Waits until the rollout is in one of the phases, and at that share where one is named; says where it is else. */
export async function reaches(
  client: Client,
  id: string,
  phases: Rollout["phase"] | readonly Rollout["phase"][],
  percent?: number,
): Promise<Rollout> {
  const wanted: readonly string[] = [phases].flat();
  return await until(`${id} to be ${wanted.join(" or ")} ${percent ?? ""}`, async () => {
    const rollout = await client.rollout(id);
    const isThere = percent === undefined || rollout.percent === percent;
    return wanted.includes(rollout.phase) && isThere ? rollout : null;
  }).catch(async (cause: unknown) => {
    const { phase, says, waits, incident, events } = await client.rollout(id);
    const seen = { phase, says, waits, events: events.map(({ event, text }) => [event, text]) };
    const timeline = incident === null ? [] : (await client.incident(incident)).timeline;
    throw new Error(JSON.stringify({ ...seen, incident: timeline }, null, 1), { cause });
  });
}

/** For a rollout that rests in a long hold: the hold is over, however fast the machine is. */
export async function passHold(db: Db, id: string): Promise<void> {
  const rows = await db`
    update rollouts set state = jsonb_set(state, '{stand,at}', '"2000-01-01T00:00:00Z"')
    where id = ${id} and state -> 'stand' is not null returning id`;
  if (rows.length === 0) throw new Error(`${id} stands nowhere`);
}

/** `v13:90 v14:10`. */
export async function pinned(client: Client): Promise<string> {
  const { shares } = await client.pin(production, "router");
  return shares.map(({ version, share }) => `${version}:${share}`).join(" ");
}
