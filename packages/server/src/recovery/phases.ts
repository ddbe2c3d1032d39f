import { type Stage, stages } from "../layers/layer.ts";
import type { RecoveryEvent } from "./recovery.ts";

/** The last stage of each phase that people are told of. */
const lastStageOf = {
  contained: "hold",
  restored: "relieve",
  verified: "settle",
  resumed: "release",
} as const satisfies Partial<Record<RecoveryEvent["kind"], Stage>>;

export type Phase = keyof typeof lastStageOf;

/** The phases that end between a step of stage `done` and the next one's (null: there is none). */
export function phasesEnded(done: Stage, next: Stage | null): readonly Phase[] {
  const from = stages.indexOf(done);
  const to = next === null ? stages.length : stages.indexOf(next);
  return (Object.keys(lastStageOf) as Phase[]).filter((phase) => {
    const last = stages.indexOf(lastStageOf[phase]);
    return from <= last && last < to;
  });
}

/** Whether nothing but letting go is left after a step of stage `done`: what was held has been replayed. */
export function onlyFrees(done: Stage, next: Stage | null): boolean {
  return done !== "release" && (next === null || next === "release");
}
