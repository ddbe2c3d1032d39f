/**
 * What runs, where its dial stands, and how an agent stops or turns it back: within `deploys` of lastgood.yaml, and
 * never past a person. Going back without looking, going on past a stop, promoting, lifting a bar and drilling the
 * live fleet are people's, and no tools.
 */
import type { Rollout } from "@lastgood/sdk";
import { z } from "zod";
import { adds, addsOnce, list, reads, type Tool, tool } from "../tool.ts";
import { because, limit, session } from "./arguments.ts";

const environment = z
  .string()
  .min(1)
  .max(100)
  .default("production")
  .describe("Where it is pinned.");
const artifact = z
  .string()
  .min(1)
  .max(200)
  .describe("The artifact's name, such as customer-service.");
const id = z.string().min(1).max(100).describe("The rollout's id, such as ro_1ng2kbtnh2r6.");
/** Whatever the pin's consumers do from then on, they do under another release. */
const movesThePin = { ...adds, destructiveHint: true, openWorldHint: true };

const shares = list(z.object({ version: z.string(), share: z.number() }));
const pin = {
  artifact: z.string(),
  environment: z.string(),
  epoch: z.number(),
  shares: shares.describe("The releases that serve, and their shares of the keys."),
  by: z.string(),
  because: z.string(),
  at: z.string(),
};

const pins = tool({
  name: "pins",
  title: "What runs where",
  description:
    "Lists what an environment runs of each artifact: the releases with their shares, since when and by whom, where a rollback would go, and how many consumers do not follow yet. Look here before you blame a release, or roll one back.",
  hints: reads,
  input: z.strictObject({ environment, session }),
  output: z.object({
    epoch: z.number(),
    pins: list(
      z.object({
        ...pin,
        prior: shares.nullable().describe("Where a rollback goes; null: nowhere."),
        consumers: z.object({ acknowledged: z.number(), stragglers: z.number() }),
      }),
    ),
    more: z.boolean(),
  }),
  run: async ({ environment: where, session: named }, caller) =>
    await caller.client(named).pins(where),
});

const summary = {
  id: z.string(),
  artifact: z.string(),
  environment: z.string(),
  candidate: z.string(),
  prior: z.string().nullable().describe("What it goes back to."),
  phase: z.string(),
  percent: z.number().describe("Of the keys, to the candidate."),
  says: z.string(),
  startedBy: z.string(),
  decidedBy: z
    .string()
    .nullable()
    .describe("A person who decided: nothing but people goes past that."),
  incident: z.string().nullable(),
};

const rollouts = tool({
  name: "rollouts",
  title: "Look at rollouts",
  description:
    "Lists rollouts, newest first: which release is taken up a ramp where, how far it is, or why it stopped or went back. Then call rollout_show for one of them.",
  hints: reads,
  input: z.strictObject({
    state: z.enum(["open", "ended", "all"]).default("open"),
    artifact: artifact.optional(),
    limit: limit(100, 20),
    session,
  }),
  output: z.object({ rollouts: list(z.object(summary)), more: z.boolean() }),
  run: async ({ state, artifact: of, limit: most, session: named }, caller) =>
    await caller
      .client(named)
      .rollouts({ state, limit: most, ...(of === undefined ? {} : { artifact: of }) }),
});

const rolloutShow = tool({
  name: "rollout_show",
  title: "Where one rollout stands",
  description:
    "One rollout: what the judge says of its candidate now, what it waits for, and what happened to it, oldest first. Read it before you freeze it or turn it back.",
  hints: reads,
  input: z.strictObject({ rollout: id, session }),
  output: z.object({
    ...summary,
    verdict: z.object({ kind: z.string(), says: z.string() }).nullable(),
    waits: z.string().nullable(),
    events: list(
      z.object({ at: z.string(), actor: z.string(), event: z.string(), text: z.string() }),
    ),
  }),
  run: async ({ rollout, session: named }, caller) => await caller.client(named).rollout(rollout),
});

const rolloutFreeze = tool({
  name: "rollout_freeze",
  title: "Hold a rollout where it is",
  description:
    "Holds a rollout where it is: nothing automatic moves it any more, neither up nor back, until a person resumes it. It needs an operator's rights. forbidden: report what you saw instead, or roll back what you may deploy.",
  hints: addsOnce,
  input: z.strictObject({ rollout: id, because, session }),
  output: z.object(summary),
  run: async ({ rollout, because: why, session: named }, caller) =>
    await caller.client(named).freezeRollout(rollout, { because: why }),
});

const rolloutBack = tool({
  name: "rollout_back",
  title: "Turn a rollout back",
  description:
    "Turns a rollout back to the release before, by its reverse ramp (now: all at once), once that release was seen to start. The candidate is barred. You need the right to deploy the artifact; what a person froze or decided is theirs. It answers when it has begun; follow it with rollout_show.",
  hints: movesThePin,
  input: z.strictObject({
    rollout: id,
    because,
    now: z.boolean().default(false).describe("Without the reverse ramp."),
    session,
  }),
  output: z.object(summary),
  run: async ({ rollout, because: why, now, session: named }, caller): Promise<Rollout> =>
    await caller.client(named).backRollout(rollout, { because: why, now }),
});

const rollback = tool({
  name: "rollback",
  title: "Roll an artifact back",
  description:
    "Pins what was pinned before, at once, once it was seen to start; what goes is barred until a person lifts that. All who use the artifact follow. You need the right to deploy it. Say the epoch that pins told you: version_conflict says that somebody moved it meanwhile.",
  hints: movesThePin,
  input: z.strictObject({
    artifact,
    environment,
    epoch: z.number().int().min(0).describe("Of the pin as you read it."),
    because,
    session,
  }),
  output: z.object(pin),
  run: async ({ artifact: of, environment: where, epoch, because: why, session: named }, caller) =>
    await caller.client(named).rollBackRelease(where, of, { because: why, expect: epoch }),
});

export const rolloutTools: readonly Tool[] = [
  ...[pins, rollouts, rolloutShow, rolloutFreeze, rolloutBack, rollback],
];
