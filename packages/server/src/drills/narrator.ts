import type { DrillEvent, DrillOptions } from "./drill.ts";

/** Tells what happens as it happens, and keeps it. */
export interface Narrator {
  (actor: string, event: string, at?: string): void;
  readonly timeline: readonly DrillEvent[];
}

export function narrator({ told }: Pick<DrillOptions, "told">): Narrator {
  const timeline: DrillEvent[] = [];
  const began = Date.now();
  const say = (actor: string, event: string, at = new Date().toISOString()) => {
    const line = { at, elapsedMs: new Date(at).getTime() - began, actor, event };
    timeline.push(line);
    told(line);
  };
  return Object.assign(say, { timeline });
}
