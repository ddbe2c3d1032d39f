/**
 * What the layers planned, put together as one plan.
 *
 *   P1. Everything is planned before anything moves.
 *   P2. Steps run by stage: hands and consumers are held before the world changes, released after.
 *   P3. The digest covers every word that was shown: what is approved is what is executed.
 */
import type { Thing } from "../config/graph.ts";
import { emptyPlan, type Plan, type Step, stages, type Undo } from "../layers/layer.ts";

/** By stage (P2); within a stage as the layers gave them. */
export function inOrder(steps: readonly Step[]): readonly Step[] {
  return stages.flatMap((stage) => steps.filter((step) => step.stage === stage));
}

/** One plan of many. Nothing is dropped but what is said twice. */
export function combine(plans: readonly Plan[]): Plan {
  const lines = (of: (plan: Plan) => readonly string[]) => [...new Set(plans.flatMap(of))];
  const sum = (of: (plan: Plan) => number) => plans.reduce((total, plan) => total + of(plan), 0);
  return {
    steps: inOrder(onlyOnce(plans.flatMap((plan) => plan.steps))),
    losses: lines((plan) => plan.losses),
    conflicts: lines((plan) => plan.conflicts),
    gaps: lines((plan) => plan.gaps),
    reversible: plans.every((plan) => plan.reversible),
    touches: {
      commits: sum((plan) => plan.touches.commits),
      documents: sum((plan) => plan.touches.documents),
      consumers: sum((plan) => plan.touches.consumers),
      executions: sum((plan) => plan.touches.executions),
      servicesDown: [...new Set(plans.flatMap((plan) => plan.touches.servicesDown))],
    },
  };
}

/** Two layers may both ask that a consumer be held: it is held once. */
function onlyOnce(steps: readonly Step[]): readonly Step[] {
  const seen = new Map(steps.map((step) => [JSON.stringify([step.stage, step.action]), step]));
  return [...seen.values()];
}

/** documents + executions in flight + consumers touched + customer-facing services down during it. */
export function blastRadius({ touches }: Plan): number {
  return touches.documents + touches.executions + touches.consumers + touches.servicesDown.length;
}

/** What is digested, as plain JSON: the plan and what it is for. */
export function digestible(undo: Undo, plan: Plan): unknown {
  return { undo: { ...undo, since: undo.since.toISOString() }, plan };
}

/** `layer:thing` of all that the step moves. Steps that move nothing of the world have none. */
export function targetsOf(step: Step): readonly string[] {
  switch (step.layer) {
    case "code":
      return [`code:${step.action.repository}`];
    case "state":
      return step.action.documents.map(({ collection, id }) => `state:${collection}/${id}`);
    case "versions":
      return [`versions:${step.action.artifact}`];
    case "runtime":
      return [`runtime:${step.action.service}`];
    case "messages":
      return [`messages:${step.action.consumer}`];
    case "fleet":
      return [`fleet:${step.action.agent}`];
    case "signals":
      return [];
  }
}

/** Whether the step puts something back, and not only holds, waits or lets go. */
export function putsBack(step: Step): step is Step<"code" | "state" | "versions" | "runtime"> {
  const { layer } = step;
  return layer === "code" || layer === "state" || layer === "versions" || layer === "runtime";
}

/** The same, as the dependency graph names things. */
export function thingsOf(step: Step): readonly Thing[] {
  return targetsOf(step).map((target) => ({
    layer: step.layer === "signals" ? "runtime" : step.layer,
    target: target.slice(target.indexOf(":") + 1),
  }));
}

/**
 * Whether a plan made again for the same wish may go on without asking again: it costs nothing that
 * the first one did not, and touches nothing new.
 */
export function asHarmless(before: Plan, again: Plan): boolean {
  const added = (of: (plan: Plan) => readonly string[]) =>
    of(again).some((line) => !of(before).includes(line));
  const targets = (plan: Plan) => plan.steps.flatMap(targetsOf);
  return (
    again.conflicts.length === 0 &&
    !added((plan) => plan.losses) &&
    !added(targets) &&
    (again.reversible || !before.reversible)
  );
}

export const nothing: Plan = emptyPlan;
