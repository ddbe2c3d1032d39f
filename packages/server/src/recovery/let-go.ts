/**
 * What a recovery that did not come to its end leaves: its last steps, which free whom and what it holds, are
 * taken by themselves. Whatever it had put back stays as it is.
 */
import { recordEvent } from "../ledger/timeline.ts";
import type { Lease } from "../store/lease.ts";
import { markLetGo } from "./call-off-store.ts";
import { targetsOf } from "./plan.ts";
import type { JournalStep, Recovery } from "./recovery.ts";
import { requireRecovery } from "./recovery-store.ts";
import { type RunnerDeps, takeStep } from "./runner.ts";

type LetGoDeps = Omit<RunnerDeps, "progressed">;

/** Safe to repeat: called until it is done. What cannot be freed is said in the incident, and holds up no other. */
export async function letGo(
  deps: LetGoDeps,
  id: Recovery["id"],
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  const { db } = deps;
  const recovery = await requireRecovery(db, id);
  for (const journal of recovery.steps.filter((each) => frees(each, recovery))) {
    const turn = { recovery, journal: worded(journal, recovery), lease, signal };
    const outcome = await takeStep(deps, { ...turn, whileIn: ["refused", "failed"] });
    if (outcome !== null && outcome.kind !== "failed") return;
    await tell(deps, recovery, journal, outcome?.because ?? null);
  }
  await db.begin((tx) => markLetGo(tx, lease, id));
}

/** One that was planned again frees what the one before it held, too: it may have begun nothing itself. */
function frees({ step, state }: JournalStep, { steps, replaces }: Recovery): boolean {
  if (step.stage !== "release" || state === "verified" || state === "failed") return false;
  const targets = targetsOf(step);
  const held = steps.some(
    (each) =>
      each.state !== "pending" &&
      (each.step.stage === "contain" || each.step.stage === "hold") &&
      targetsOf(each.step).some((target) => targets.includes(target)),
  );
  return held || replaces !== null;
}

/** An agent is told why it is free, which is not that all was put right. */
function worded(journal: JournalStep, { because }: Recovery): JournalStep {
  const { step } = journal;
  if (step.layer !== "fleet") return journal;
  return { ...journal, step: { ...step, action: { ...step.action, because } } };
}

async function tell(
  { db, world }: LetGoDeps,
  { id, incident }: Recovery,
  { index, step }: JournalStep,
  because: string | null,
): Promise<void> {
  if (incident === null) return;
  await recordEvent(db, incident, {
    ...{ at: world.now(), actor: `recovery:${id}` },
    ...(because === null
      ? { event: "step.verified", text: step.says }
      : { event: "step.failed", text: because }),
    key: `${id}-step-${index}`,
  });
}
