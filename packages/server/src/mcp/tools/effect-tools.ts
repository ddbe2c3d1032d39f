import { z } from "zod";
import { Fault } from "../../fault.ts";
import { adds, addsOnce, list, reads, type Tool, tool } from "../tool.ts";
import { because, json, limit, session, task } from "./arguments.ts";

const effectShown = z.object({
  id: z.string(),
  key: z.string(),
  kind: z.string(),
  task: z.string().nullable(),
  state: z.enum(["intended", "dispatched", "confirmed", "failed", "unknown"]),
  nature: z.string(),
  request: z.unknown(),
  result: z.unknown(),
  error: z.string().nullable(),
  dispatchedAt: z.string().nullable(),
});

const effect = z.string().min(1).max(200).describe("The effect's id, as effect_begin answered it.");

const effectBegin = tool({
  name: "effect_begin",
  title: "Before you act on the outside world",
  description:
    "Call this before anything that the outside world sees and that must not happen twice (a mail, a payment, a ticket, a post). go says what to do: run (do it now, with the effect's id as idempotency key where there is one, then effect_confirm or effect_fail), replay (it was done: use its result and do not do it again), look-up (it may have been done: look in the world, then effect_settle). The same key within a task is the same effect.",
  hints: adds,
  input: z.strictObject({
    key: z.string().min(1).max(300).describe("Names it within the task, such as mail-to-alice."),
    task: task.optional(),
    kind: z.string().max(100).optional().describe("What acts, such as a tool's name."),
    nature: z
      .enum(["read-only", "reversible", "compensable", "irreversible"])
      .optional()
      .describe("Default irreversible."),
    request: json.optional().describe("What will be asked for, for whoever must find out later."),
    session,
  }),
  output: z.object({ go: z.enum(["run", "replay", "look-up", "wait"]), effect: effectShown }),
  async run({ session: named, ...wanted }, caller) {
    const { client, session: mine } = await caller.inSession(named);
    try {
      return await client.beginEffect({ ...wanted, session: mine });
    } catch (error) {
      throw ownUnderWay(error, mine) ?? error;
    }
  },
});

/** A model may have forgotten what it began: it alone can say so, and nobody else would end the wait. */
function ownUnderWay(error: unknown, session: string): Fault | null {
  if (!(error instanceof Fault) || error.code !== "target_busy") return null;
  if (error.context.session !== session) return null;
  const { effect: id } = error.context;
  return new Fault(
    "effect_unknown",
    `The effect ${String(id)} was begun in this very session, and nobody said how it went. If another call of yours is at it now, let that one end it. If you lost track of it, say so with effect_fail (outcome: unknown), begin it again, and look it up.`,
    { cause: error, context: error.context },
  );
}

const effectConfirm = tool({
  name: "effect_confirm",
  title: "It happened",
  description:
    "Says that an effect you began happened, with its result: whoever begins it again gets this result instead of doing it twice.",
  hints: addsOnce,
  input: z.strictObject({ effect, result: json.optional(), session }),
  output: effectShown,
  async run({ effect: id, result, session: named }, caller) {
    const { client, session: mine } = await caller.inSession(named);
    return await client.confirmEffect(id, {
      session: mine,
      ...(result === undefined ? {} : { result }),
    });
  },
});

const effectFail = tool({
  name: "effect_fail",
  title: "It did not happen, or nobody knows",
  description:
    "Says how an effect you began failed. did_not_happen: it surely did not, and may be tried again. unknown (a timeout, a lost answer): it may have happened, and nobody repeats it until it was looked up.",
  hints: addsOnce,
  input: z.strictObject({
    effect,
    outcome: z.enum(["did_not_happen", "unknown"]),
    error: z.string().trim().min(1).max(2_000),
    session,
  }),
  output: effectShown,
  async run({ effect: id, outcome, error, session: named }, caller) {
    const { client, session: mine } = await caller.inSession(named);
    const end = { session: mine, error };
    return outcome === "unknown"
      ? await client.doubtEffect(id, end)
      : await client.failEffect(id, end);
  },
});

const effectSettle = tool({
  name: "effect_settle",
  title: "What you found out about an effect",
  description:
    "After effect_begin answered look-up, or effects_unknown listed it: says what you found in the world. happened: true with its result, so that it is not done again; happened: false, so that it may be done. Only say what you saw, and say where in because.",
  hints: addsOnce,
  input: z.strictObject({
    effect,
    happened: z.boolean(),
    result: json.optional(),
    because: because.describe("What you looked at, and what you saw."),
    session,
  }),
  output: effectShown,
  async run({ effect: id, happened, result, because: reason, session: named }, caller) {
    const { client, session: mine } = await caller.inSession(named);
    if (!happened && result !== undefined) {
      throw new Fault("bad_input", "What did not happen has no result: leave result out.");
    }
    return await client.settleEffect(id, {
      ...{ happened, because: reason, session: mine },
      ...(result === undefined ? {} : { result }),
    });
  },
});

const effectsUnknown = tool({
  name: "effects_unknown",
  title: "Effects of unknown outcome",
  description:
    "Lists your effects that were dispatched and whose outcome nobody knows, newest first. Look each up in the world and call effect_settle before you do anything that depends on it.",
  hints: reads,
  input: z.strictObject({
    agent: z.string().max(100).optional().describe("Whose, if not your own."),
    limit: limit(200, 50),
    session,
  }),
  output: z.object({ effects: list(effectShown), more: z.boolean() }),
  async run({ agent: of, limit: most, session: named }, caller) {
    const agent = await caller.agentOf({ agent: of, session: named });
    return await caller.client(named).effects({ agent, state: "unknown", limit: most });
  },
});

export const effectTools: readonly Tool[] = [
  ...[effectBegin, effectConfirm, effectFail, effectSettle, effectsUnknown],
];
