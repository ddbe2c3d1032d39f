/**
 * Layers over a table that counts every write: a world in which "twice" shows. They keep the contract of
 * `layer.ts`, and nothing else.
 */
import { Fault } from "../../src/fault.ts";
import type { AgentName, IncidentId, RepositoryName, ServiceName } from "../../src/ids.ts";
import {
  emptyPlan,
  type Layer,
  type LayerKind,
  type Layers,
  type Plan,
  type Step,
  type Undo,
  type Verification,
} from "../../src/layers/layer.ts";
import type { Db } from "../../src/store/database.ts";

export async function createFakeWorld(db: Db): Promise<void> {
  await db`create table if not exists fake_world (
    thing text primary key, value text not null, writes int not null default 0)`;
  await db`insert into fake_world (thing, value) values
    ('fleet', 'free'), ('code', 'bad'), ('runtime', 'bad'), ('messages', 'flowing')
    on conflict do nothing`;
}

export async function readFakeWorld(db: Db): Promise<Record<string, string>> {
  const rows = await db<{ thing: string; value: string; writes: number }[]>`
    select thing, value, writes from fake_world order by thing`;
  return Object.fromEntries(rows.map((row) => [row.thing, `${row.value} (${row.writes})`]));
}

const agent = "backend" as AgentName;
const consumer = "marketing-durable-v1";
const because = "a test";

type Move = { readonly thing: string; readonly from: string; readonly to: string };

/** What each step does to the table. Null: nothing, as for awaiting a baseline. */
function moveOf(step: Step): Move | null {
  switch (step.layer) {
    case "fleet":
      return step.action.do === "contain"
        ? { thing: "fleet", from: "free", to: "contained" }
        : { thing: "fleet", from: "contained", to: "free" };
    case "code":
      return { thing: "code", from: step.action.from, to: step.action.to };
    case "runtime":
      return { thing: "runtime", from: step.action.from ?? "", to: step.action.to };
    case "messages":
      return step.action.do === "hold"
        ? { thing: "messages", from: "flowing", to: "held" }
        : { thing: "messages", from: "held", to: "flowing" };
    default:
      return null;
  }
}

export interface FakeOptions {
  /** Called before each apply; throw from it to break the step. */
  readonly before?: (step: Step) => Promise<void>;
  readonly lies?: boolean;
  /** What looking at a step comes to, in place of what the table says; null: the table says it. */
  readonly looking?: (step: Step, signal: AbortSignal) => Promise<Verification> | null;
  /** Called before each plan; throw from it where nothing can be planned. */
  readonly planning?: () => Promise<void>;
}

export function fakeLayers(
  db: Db,
  {
    before = async () => {},
    lies = false,
    looking = () => null,
    planning = async () => {},
  }: FakeOptions = {},
): Layers {
  const layer = <K extends LayerKind>(
    kind: K,
    plan: (undo: Undo, now: string) => readonly Step<K>[],
    undo: (step: Step<K>) => readonly Step<K>[] = () => [],
  ): Layer<K> => ({
    kind,
    async plan(wanted) {
      await planning();
      return { ...emptyPlan, steps: plan(wanted, await valueIn(db, "code")) };
    },
    async apply(given) {
      // A step of some kind is a step: TypeScript does not see it through the type parameter.
      const step = given as Step;
      await before(step);
      const move = moveOf(step);
      if (move === null || lies) return;
      const { thing, from, to } = move;
      const moved = await db`
        update fake_world set value = ${to}, writes = writes + 1
        where thing = ${thing} and value = ${from}`;
      const now = await valueIn(db, thing);
      if (moved.count === 0 && now !== to) {
        throw new Fault("plan_stale", `${thing} is ${now}, neither ${from} nor ${to}`);
      }
    },
    async verify(step, signal) {
      const looked = looking(step as Step, signal);
      if (looked !== null) return await looked;
      const move = moveOf(step as Step);
      if (move === null) return { ok: true, observed: [] };
      const now = await valueIn(db, move.thing);
      return now === move.to
        ? { ok: true, observed: [`${move.thing} is ${now}`] }
        : { ok: false, differences: [`${move.thing} is ${now}, not ${move.to}`] };
    },
    async undo(step): Promise<Plan<K>> {
      return { ...emptyPlan, steps: undo(step) };
    },
  });
  return {
    fleet: layer("fleet", () => [fleetStep("contain"), fleetStep("reinstate")]),
    code: layer(
      "code",
      (_, tip) => [codeStep(tip, `good-after-${tip}`)],
      (step) => [codeStep(step.action.to, step.action.from)],
    ),
    state: layer("state", () => []),
    versions: layer("versions", () => []),
    messages: layer("messages", () => [
      { layer: "messages", stage: "hold", action: { do: "hold", consumer, because }, says: "hold" },
      {
        layer: "messages",
        stage: "release",
        action: { do: "release", consumer, because },
        says: "release",
      },
    ]),
    runtime: layer(
      "runtime",
      () => [],
      (step) => [runtimeStep(step.action.to, step.action.from ?? "")],
    ),
    signals: layer("signals", (undo) => [
      {
        layer: "signals",
        stage: "settle",
        action: { do: "await-baseline", services: undo.services, onset: undo.since.toISOString() },
        says: "await the baseline",
      },
    ]),
  };
}

export function runtimeStep(from: string, to: string): Step<"runtime"> {
  const service = "content-api" as ServiceName;
  return {
    layer: "runtime",
    stage: "relieve",
    action: { do: "set-revision", service, from, to },
    says: `serve ${to}`,
  };
}

function codeStep(from: string, to: string): Step<"code"> {
  const repository = "content-api" as RepositoryName;
  return {
    layer: "code",
    stage: "restore",
    action: {
      do: "revert",
      repository,
      branch: "main",
      from,
      to,
      commits: [from],
      deliver: "push",
    },
    says: `revert ${from}`,
  };
}

function fleetStep(what: "contain" | "reinstate"): Step<"fleet"> {
  return {
    layer: "fleet",
    stage: what === "contain" ? "contain" : "release",
    action: { do: what, agent, incident: null, because },
    says: what,
  };
}

export async function valueIn(db: Db, thing: string): Promise<string> {
  const [row] = await db<{ value: string }[]>`select value from fake_world where thing = ${thing}`;
  return row?.value ?? "";
}

export function undoOf(incident: IncidentId | null = null): Undo {
  return {
    changes: [],
    agents: [agent],
    services: ["content-api" as ServiceName],
    since: new Date("2026-09-21T08:00:00Z"),
    incident,
    because,
  };
}
