import { matchesGlob } from "node:path";
import type { Authority } from "../config/config.ts";
import type { Plan, Step, Undo } from "../layers/layer.ts";
import { putsBack, targetsOf } from "./plan.ts";

/** Why this plan is beyond what an agent may run by itself, a line each; empty when it may. */
export function beyondAuthority(
  authority: Authority,
  plan: Plan,
  undo: Undo,
  now: Date,
): readonly string[] {
  const { touches } = plan;
  const hours = (now.getTime() - undo.since.getTime()) / 3_600_000;
  const over = (what: string, has: number, most: number) =>
    has > most ? [`${has} ${what}, and it may touch ${most}`] : [];
  return [
    ...(authority.mode === "auto" ? [] : [`its mode is ${authority.mode}`]),
    ...plan.steps.flatMap((step) => outside(authority, step)),
    ...(authority.reversibleOnly && !plan.reversible ? ["the plan cannot be taken back"] : []),
    ...over("commits", touches.commits, authority.maxCommits),
    ...over("documents", touches.documents, authority.maxDocuments),
    ...over("executions", touches.executions, authority.maxExecutions),
    ...over("hours back", Math.ceil(hours), authority.maxHours),
  ];
}

/** Containment, holds and waiting come with every recovery: only what is put back needs authority. */
function outside(authority: Authority, step: Step): readonly string[] {
  if (!putsBack(step)) return [];
  if (!authority.layers.includes(step.layer)) return [`the layer ${step.layer} is not its own`];
  return targetsOf(step)
    .map((target) => target.slice(target.indexOf(":") + 1))
    .filter((target) => !authority.what.some((glob) => matchesGlob(target, glob)))
    .map((target) => `${step.layer} ${target} is not its own`);
}
