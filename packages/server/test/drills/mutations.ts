/**
 * Lastgood with one of its organs replaced by something that does too little, or the wrong thing. A
 * drill that still says ok over one of these would prove nothing.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Configuration } from "../../src/config/config.ts";
import type { ChangeId } from "../../src/ids.ts";
import { type EvidenceBoard, type Weighing, weigh } from "../../src/incidents/evidence-board.ts";
import type { Suspected } from "../../src/incidents/gather.ts";
import type { Layer, LayerKind, Layers, Step } from "../../src/layers/layer.ts";
import type { Seams } from "../../src/main.ts";
import { newChangeId, realWorld } from "../../src/world.ts";
import { run as git } from "../code/world.ts";

export interface Mutation {
  readonly name: string;
  readonly what: string;
  seams(configuration: Configuration): Seams;
}

const idle = async () => {};

/** `layer` with another `apply`; its `verify` stays the true one. */
function doing<K extends LayerKind>(
  kind: K,
  apply: (ours: Layer<K>, ...args: Parameters<Layer<K>["apply"]>) => Promise<void>,
): Seams {
  return {
    layers: (ours) => {
      const own = ours[kind] as Layer<K>;
      const mutant: Layer<K> = { ...own, apply: (...args) => apply(own, ...args) };
      return { ...ours, [kind]: mutant };
    },
  };
}

function silent(name: string, kind: LayerKind): Mutation {
  return { name, what: `the ${kind} layer's apply does nothing`, seams: () => doing(kind, idle) };
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

export const mutations: readonly Mutation[] = [
  {
    name: "triage-most-recent",
    what: "triage convicts the last commit of the last deploy",
    seams: mostRecent,
  },
  {
    name: "triage-first",
    what: "triage convicts the first commit of the last deploy",
    seams: () => convicting((line) => line[0]),
  },
  silent("code-nothing", "code"),
  {
    name: "code-half",
    what: "the revert that is pushed leaves out a line",
    seams: (configuration) =>
      doing("code", async (_, step) => await revertPartly(step, configuration)),
  },
  // No "runtime-nothing": the revert is on the branch, so deploy on push serves it all the same. The
  // layer's own tests hold a step that does nothing to its verify.
  {
    name: "runtime-half",
    what: "the revert is deployed, and what was there before is switched back on",
    seams: () =>
      doing("runtime", async (ours, step, context, signal) => {
        const { from, to, ...action } = step.action;
        await ours.apply(step, context, signal);
        if (from === null) return;
        const back = { ...step, action: { ...action, from: to, to: from } };
        await ours.apply(back, { ...context, changeId: newChangeId(realWorld) }, signal);
      }),
  },
  silent("messages-nothing", "messages"),
  {
    name: "messages-half",
    what: "of the dead letters only the first is put back, and nothing is released",
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
  silent("fleet-nothing", "fleet"),
  {
    name: "signals-nothing",
    what: "whether the signals are back is answered with yes, without a look",
    seams: () => ({ layers: blindSignals }),
  },
  {
    name: "signals-blind-after-wrong-revert",
    what: "the same, after the last commit was reverted and nothing was mended",
    seams: () => ({ ...mostRecent(), layers: blindSignals }),
  },
];

export function requireMutation(name: string): Mutation {
  const found = mutations.find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new Error(`no mutation ${name}: there is ${mutations.map((each) => each.name).join(", ")}`);
}
