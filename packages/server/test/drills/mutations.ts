/**
 * Lastgood with one of its organs replaced by something that does too little, or the wrong thing. A
 * drill that still says ok over one of these would prove nothing.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Config, Configuration } from "../../src/config/config.ts";
import { september } from "../../src/drills/september/september.ts";
import type { ChangeId } from "../../src/ids.ts";
import { type EvidenceBoard, type Weighing, weigh } from "../../src/incidents/evidence-board.ts";
import type { Suspected } from "../../src/incidents/gather.ts";
import type { LayerKind, Layers, Step } from "../../src/layers/layer.ts";
import type { Seams } from "../../src/main.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { run as git } from "../code/world.ts";
import { before, evictionMutations } from "./eviction-mutations.ts";
import { doing, idle } from "./mutated-layer.ts";
import type { Mutation, StoryToFail } from "./mutation.ts";
import { releaseMutations } from "./release-mutations.ts";

/** The step's own verification sees that nothing was done. */
function silent(kind: LayerKind, verification: RegExp): Mutation {
  return {
    name: `${kind}-nothing`,
    story,
    what: `the ${kind} layer's apply does nothing`,
    caughtBy: { verification, proofs: ["the incident is closed"] },
    seams: () => doing(kind, idle),
  };
}

/** Of the commits that went out last: convicted at once, with all the evidence that anyone could want. */
function convicting(choose: (line: readonly Suspected[]) => Suspected | undefined): Seams {
  return {
    weigh(board: EvidenceBoard): Weighing {
      const honest = weigh(board);
      const chosen = choose(lastDeploy(board.suspected))?.change.id;
      if (chosen === undefined) return honest;
      const sure = (change: ChangeId) =>
        change === chosen
          ? ({ posterior: 0.999, witnesses: ["contrast", "rerun"] } as const)
          : { posterior: 0, witnesses: [] };
      return {
        assessment: {
          ...honest.assessment,
          suspects: honest.assessment.suspects
            .map((each) => ({ ...each, ...sure(each.change) }))
            .sort((one, other) => other.posterior - one.posterior),
        },
        rows: honest.rows.map((each) => ({ ...each, ...sure(each.change) })),
        judge: () => ({
          rung: "act",
          changes: [chosen],
          innocents: [],
          posterior: 0.999,
          witnesses: ["contrast", "rerun"],
          because: "one change at 99.9 %; witnesses: contrast, rerun",
        }),
      };
    },
  };
}

/** The commits of the latest exposure, oldest first, as their parents chain them. */
function lastDeploy(suspected: readonly Suspected[]): readonly Suspected[] {
  const code = suspected.filter(({ change }) => change.layer === "code");
  const latest = Math.max(...code.map(({ exposedAt }) => exposedAt.getTime()));
  const together = code.filter(({ exposedAt }) => exposedAt.getTime() === latest);
  const byParent = new Map(together.map((each) => [each.change.from, each]));
  const tips = new Set(together.map(({ change }) => change.to));
  const line: Suspected[] = [];
  let next = together.find(({ change }) => !tips.has(change.from));
  while (next !== undefined) {
    line.push(next);
    next = byParent.get(next.change.to);
  }
  return line;
}

const mostRecent = () => convicting((line) => line.at(-1));

/** Pushes a revert under the right name that leaves out the last line that it should bring back. */
async function revertPartly({ action }: Step<"code">, configuration: Configuration) {
  const url = configuration.current().repositories[action.repository]?.url ?? "";
  const folder = await mkdtemp(join(tmpdir(), "lastgood-mutation-"));
  try {
    const clone = join(folder, "clone");
    git(folder, "clone", "--quiet", resolve(configuration.base, url), clone);
    git(clone, "config", "user.email", "lastgood@fleet.test");
    git(clone, "revert", "--no-edit", ...action.commits);
    for (const path of git(clone, "show", "--format=", "--name-only").split("\n")) {
      const added = git(clone, "show", "--format=", "--unified=0", "HEAD", "--", path)
        .split("\n")
        .filter((line) => /^\+[^+]*\S/.test(line) && !line.startsWith("+++"));
      const last = added.at(-1)?.slice(1);
      const text = await readFile(join(clone, path), "utf8");
      const kept = text.split("\n").filter((line) => line !== last);
      await writeFile(join(clone, path), kept.join("\n"));
    }
    git(clone, "commit", "--quiet", "--all", "--amend", "--no-edit");
    git(clone, "push", "--quiet", "origin", `HEAD:${action.branch}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const farFuture = "2999-01-01T00:00:00.000Z";

/** Says that all is well without looking. */
function blindSignals(ours: Layers): Layers {
  return {
    ...ours,
    signals: { ...ours.signals, verify: async () => ({ ok: true, observed: ["all is well"] }) },
  };
}

/**
 * The step that serves the revert does nothing. Where pushes are deployed they serve the revert all the
 * same, so from the recovery's first word on they wait, as they do under `deploy: manual`.
 */
function runtimeNothing(): Mutation {
  let recovering = false;
  return {
    name: "runtime-nothing",
    story,
    what: "the runtime layer's apply does nothing, and pushes are not deployed by themselves",
    caughtBy: {
      verification: /content-api serves \w+, not \w+/,
      proofs: ["the service runs the branch's tip"],
    },
    seams: () => ({
      ...doing("runtime", idle),
      reached: async (_, point) => {
        if (point === "captured") recovering = true;
      },
    }),
    configured: (config) => (recovering ? deployedByHand(config) : config),
  };
}

function deployedByHand(config: Config): Config {
  const services = Object.entries(config.services).map(([name, { runtime, ...service }]) => [
    name,
    runtime?.adapter === "process"
      ? { ...service, runtime: { ...runtime, deploy: "manual" } }
      : { ...service, runtime },
  ]);
  return { ...config, services: Object.fromEntries(services) };
}

const rightRevert = "exactly one revert, of the guilty commit";
const servedWell = "visitors were served well when it was called verified";
/** Plain, all commits in one deploy, the guilty one in their midst: neither first nor last. */
const story: StoryToFail = { drill: september, seed: 6, variant: null };
/** Neither its health nor its signals are back: whichever is looked at first says so. */
const stillBad = /"(serve \w+ from|Wait until the signals of) content-api.*did not take/;

const septemberMutations: readonly Mutation[] = [
  {
    name: "triage-most-recent",
    story,
    what: "triage convicts the last commit of the last deploy",
    caughtBy: { verification: stillBad, proofs: [rightRevert] },
    seams: mostRecent,
  },
  {
    name: "triage-first",
    story,
    what: "triage convicts the first commit of the last deploy",
    caughtBy: { verification: stillBad, proofs: [rightRevert] },
    seams: () => convicting((line) => line[0]),
  },
  silent("code", /does not hold the revert/),
  {
    name: "code-half",
    story,
    what: "the revert that is pushed leaves out a line",
    caughtBy: {
      verification: /does not hold the revert/,
      proofs: ["the index is declared again"],
    },
    seams: (configuration) =>
      doing("code", async (_, step) => await revertPartly(step, configuration)),
  },
  runtimeNothing(),
  {
    name: "runtime-half",
    story,
    what: "the revert is deployed, and what was there before is switched back on",
    caughtBy: {
      verification: /content-api serves \w+, not \w+/,
      proofs: ["the service runs the branch's tip"],
    },
    seams: () =>
      doing("runtime", async (ours, step, context, signal) => {
        const { from, to, ...action } = step.action;
        await ours.apply(step, context, signal);
        if (from === null) return;
        const back = { ...step, action: { ...action, from: to, to: from } };
        await ours.apply(back, { ...context, changeId: newChangeId(realWorld) }, signal);
      }),
  },
  silent("messages", /is not held: it delivers messages/),
  {
    name: "messages-half",
    story,
    what: "of the dead letters only the first is put back, and nothing is released",
    caughtBy: {
      verification: /is still a dead letter of|is still held/,
      proofs: ["each message was handled exactly once"],
    },
    seams: () =>
      doing("messages", async (ours, step, ...rest) => {
        const { action } = step;
        if (action.do === "release") return;
        if (action.do !== "requeue") return await ours.apply(step, ...rest);
        const [first] = action.deadLetters;
        const deadLetters = first === undefined ? [] : [first];
        const half = { ...step, action: { ...action, deadLetters, since: farFuture } };
        await ours.apply(half, ...rest);
      }),
  },
  silent("fleet", /backend is free/),
  {
    name: "fleet-half",
    story,
    what: "the hand that did it is contained, and never reinstated",
    caughtBy: { verification: /backend is contained/, proofs: ["the incident is closed"] },
    seams: () =>
      doing("fleet", async (ours, step, ...rest) => {
        if (step.action.do === "contain") await ours.apply(step, ...rest);
      }),
  },
  // The signals layer's apply has nothing to do: what can be broken of it is its look.
  {
    name: "signals-nothing",
    story,
    what: "whether the signals are back is answered with yes, without a look",
    caughtBy: { verification: null, proofs: [servedWell] },
    seams: () => ({ layers: blindSignals }),
  },
  {
    name: "signals-blind-after-wrong-revert",
    story,
    what: "the same, after the last commit was reverted and nothing was mended",
    caughtBy: {
      verification: null,
      proofs: [
        rightRevert,
        servedWell,
        "its check was red on the bad revision and green on the good one",
      ],
    },
    seams: () => ({ ...mostRecent(), layers: blindSignals }),
  },
  {
    name: "playbook-unread",
    story: { drill: september, seed: 1, variant: null, again: true },
    what: "what was learned fits no incident, so that no playbook is ever consulted",
    caughtBy: {
      verification: null,
      proofs: [
        "again: the playbook of the first incident led to it, before any check was run",
        "again: playbook.confirmed",
        "again: playbook.put-right",
      ],
    },
    breaks: (db) =>
      before(db, {
        what: "insert or update",
        table: "skills",
        trigger: "new.signatures := '{}'; return new;",
      }),
  },
];

export const mutations: readonly Mutation[] = [
  ...septemberMutations,
  ...evictionMutations,
  ...releaseMutations,
];

export function requireMutation(name: string): Mutation {
  const found = mutations.find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new Error(`no mutation ${name}: there is ${mutations.map((each) => each.name).join(", ")}`);
}
