/**
 * Messages as a recovery sees them: the consumers that the damage reaches are held while the world is
 * put right, get back what died in the window, and go on.
 */
import type { Config } from "../../config/config.ts";
import { reachedFrom } from "../../config/graph.ts";
import { Fault } from "../../fault.ts";
import { recordChanges } from "../../ledger/ledger-store.ts";
import {
  type ApplyContext,
  emptyPlan,
  type Layer,
  type Plan,
  type Step,
  type Undo,
  untouched,
  type Verification,
} from "../layer.ts";
import type { Core } from "./core.ts";
import { findDeadLetters, lockDeadLetter, recordRequeue } from "./dead-letter-store.ts";
import { bringBack } from "./dead-letters.ts";
import { holdConsumer, releaseConsumer } from "./holds.ts";
import { requireConsumer } from "./registry.ts";
import { type ConsumerRow, countConsumer, listConsumers } from "./registry-store.ts";

/** What dies of the damage itself; what was oversized, malformed or rejected stays dead. */
const deathsByDamage = ["handler_error", "max_deliver"] as const;
const deadLettersMax = 10_000;

export function createMessagesLayer(core: Core, config: () => Config): Layer<"messages"> {
  return {
    kind: "messages",
    plan: (undo) => plan(core, config(), undo),
    apply: (step, context) => apply(core, step, context),
    verify: (step) => verify(core, step),
    undo: async (step) => takeBackPlan(step),
  };
}

async function plan(core: Core, config: Config, undo: Undo): Promise<Plan<"messages">> {
  const consumers = touched(config, undo, await listConsumers(core.db));
  const { because } = undo;
  const steps: Step<"messages">[] = [];
  const losses: string[] = [];
  for (const { name } of consumers) {
    steps.push({
      layer: "messages",
      stage: "hold",
      action: { do: "hold", consumer: name, because },
      says: `Hold ${name}: it delivers nothing until it is released`,
    });
  }
  for (const { name } of consumers) {
    const { whole, partial } = await deathsSince(core, name, undo.since);
    losses.push(
      ...partial.map((each) => `Message ${each.messageId} to ${name} is no longer kept whole.`),
    );
    steps.push({
      layer: "messages",
      stage: "replay",
      action: {
        do: "requeue",
        consumer: name,
        deadLetters: whole.map((each) => each.id),
        since: undo.since.toISOString(),
      },
      says: `Put back ${whole.length} dead letters of ${name}, and those that die until it is held`,
    });
  }
  for (const { name } of consumers) {
    steps.push({
      layer: "messages",
      stage: "release",
      action: { do: "release", consumer: name, because },
      says: `Release ${name}: what waited and what failed comes at once`,
    });
  }
  if (steps.length === 0) return emptyPlan;
  return {
    ...emptyPlan,
    steps,
    losses,
    gaps: gapsOf(core, consumers),
    touches: { ...untouched, consumers: consumers.length },
  };
}

/** Consumers of the agents (and of their roles) that the damage reaches, and of the hand that did it. */
function touched(
  config: Config,
  undo: Undo,
  consumers: readonly ConsumerRow[],
): readonly ConsumerRow[] {
  const reached = new Set(undo.services.flatMap((service) => reachedFrom(config, service)));
  const agents = new Set<string>([
    ...Object.keys(config.agents).filter((agent) => reached.has(agent)),
    ...undo.agents,
  ]);
  const roles = new Set([...agents].flatMap((agent) => config.agents[agent]?.roles ?? []));
  return consumers.filter(
    ({ agent, role }) =>
      (agent !== null && agents.has(agent)) || (role !== null && roles.has(role)),
  );
}

function gapsOf(core: Core, consumers: readonly ConsumerRow[]): readonly string[] {
  if (core.engine.describe().engine !== "nats") return [];
  return consumers
    .filter((consumer) => consumer.adopted)
    .map(({ name }) => `A client that pulls ${name} from NATS itself is not stopped by the hold.`);
}

async function deathsSince(core: Core, consumer: string, since: Date) {
  const found = await findDeadLetters(core.db, {
    consumer,
    since,
    state: "dead",
    reasons: deathsByDamage,
    limit: deadLettersMax,
  });
  const oldestFirst = found.toReversed();
  return {
    whole: oldestFirst.filter((each) => each.complete),
    partial: oldestFirst.filter((each) => !each.complete),
  };
}

async function apply(core: Core, step: Step<"messages">, context: ApplyContext): Promise<void> {
  const { action } = step;
  await requireConsumer(core, action.consumer);
  if (action.do === "requeue") {
    await requeueAll(core, action, context);
    return;
  }
  const holding = {
    by: context.actor,
    because: context.reason,
    changeId: context.changeId,
    hold: holdOf(action.because),
  };
  if (action.do === "hold") await holdConsumer(core, action.consumer, holding);
  else await releaseConsumer(core, action.consumer, holding);
}

/** The hold and the release of one recovery carry the same reason; a person's hold never has this form. */
function holdOf(because: string): string {
  return `recovery: ${because}`;
}

async function requeueAll(
  core: Core,
  action: Extract<Step<"messages">["action"], { do: "requeue" }>,
  context: ApplyContext,
): Promise<void> {
  const { whole } = await deathsSince(core, action.consumer, new Date(action.since));
  const ids = new Set([...action.deadLetters, ...whole.map((each) => each.id)]);
  const { actor: by, reason: because, changeId } = context;
  await core.db.begin(async (tx) => {
    const back: string[] = [];
    for (const id of ids) {
      const row = await lockDeadLetter(tx, id);
      if (row === null) {
        throw new Fault("plan_stale", `The dead letter ${id} is gone: plan the recovery again.`);
      }
      if (row.state !== "dead" || row.consumer === null) continue;
      const own = { id, consumer: row.consumer, messageId: row.messageId };
      if (!(await recordRequeue(tx, changeId, own))) continue;
      await bringBack(tx, core, row, row.consumer, "requeue", { by, because });
      back.push(id);
    }
    if (back.length === 0) return;
    await recordChanges(tx, [
      {
        ...{ id: changeId, at: core.world.now(), layer: "messages", kind: "requeue" },
        ...{ target: action.consumer, agent: by, reason: because },
        details: { deadLetters: back },
      },
    ]);
  });
  core.waiters.wake(action.consumer);
}

async function verify(core: Core, step: Step<"messages">): Promise<Verification> {
  const { action } = step;
  const consumer = await requireConsumer(core, action.consumer);
  const figures = await countConsumer(core.db, action.consumer);
  const observed = `${action.consumer}: ${figures.due} due, ${figures.inFlight} in flight, ${figures.resting} resting, ${figures.handled} handled, ${figures.deadLetters} dead`;
  const differences: string[] = [];
  if (action.do === "hold" && consumer.holds.length === 0) {
    differences.push(`${action.consumer} is not held: it delivers messages.`);
  }
  if (action.do === "release") {
    const own = consumer.holds.find((each) => each.hold === holdOf(action.because));
    if (own !== undefined) differences.push(`${action.consumer} is still held: ${own.because}`);
  }
  if (action.do === "requeue") differences.push(...(await stillDead(core, action)));
  const [first, ...rest] = differences;
  if (first !== undefined) return { ok: false, differences: [first, ...rest] };
  const others = consumer.holds.map((each) => `held by ${each.heldBy}: ${each.because}`);
  return { ok: true, observed: [observed, ...others] };
}

/** Dead letters of the window that were never put back; one that came back and died again is not among them. */
async function stillDead(
  core: Core,
  action: Extract<Step<"messages">["action"], { do: "requeue" }>,
): Promise<readonly string[]> {
  const named =
    action.deadLetters.length === 0
      ? []
      : await findDeadLetters(core.db, { ids: action.deadLetters, limit: deadLettersMax });
  const { whole } = await deathsSince(core, action.consumer, new Date(action.since));
  const dead = new Map(
    [
      ...named.filter((each) => each.state === "dead"),
      ...whole.filter((each) => each.life === 0),
    ].map((each) => [each.id, each]),
  );
  return [...dead.values()].map(
    (each) =>
      `Message ${each.messageId} is still a dead letter of ${action.consumer} (${each.id}).`,
  );
}

/** Holding and releasing are each other's way back; a message that came back was handed out, and stays. */
function takeBackPlan(step: Step<"messages">): Plan<"messages"> {
  const { action } = step;
  if (action.do === "requeue") return emptyPlan;
  const back = action.do === "hold" ? "release" : "hold";
  return {
    ...emptyPlan,
    steps: [
      {
        layer: "messages",
        stage: back,
        action: { do: back, consumer: action.consumer, because: action.because },
        says: back === "hold" ? `Hold ${action.consumer} again` : `Release ${action.consumer}`,
      },
    ],
    touches: { ...untouched, consumers: 1 },
  };
}
