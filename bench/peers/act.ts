/**
 * A step of the two peers. Both documentations say that a step may run again after a crash (DBOS: "at least
 * once"; LangGraph: use idempotency keys, or verify existing results). So each step hands on a key that is the
 * same whenever it runs, and where the outside can be asked, asks before it acts.
 */
import { type Outside, outsideAt } from "../../packages/server/src/drills/outside/outside.ts";
import type { Briefing } from "./briefing.ts";
import { say } from "./said.ts";

export interface Step {
  readonly task: string;
  readonly step: number;
  readonly key: string;
}

export function createAct({ outside: url, looksUp }: Briefing): (step: Step) => Promise<string> {
  const outside = outsideAt(url);
  return async ({ task, step, key }) => {
    say({ say: "acting", task, step });
    const found = looksUp ? await outside.find(key) : null;
    return (found ?? (await sendStep(outside, { task, step, key }))).url;
  };
}

/** What is asked of the outside is the same on all sides: one thing of the task's name, of the step's kind. */
export async function sendStep(outside: Outside, { task, step, key }: Step) {
  return await outside.send({ key, kind: kindOf(step), name: task, body: "" });
}

export function kindOf(step: number): string {
  return `step-${step}`;
}
