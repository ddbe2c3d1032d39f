import { Fault } from "../fault.ts";

export const depthMax = 64;

/** Refuses (`too_deep`) a parsed body that nests deeper than 64, without recursion of its own. */
export function requireShallow(body: unknown): void {
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) {
      throw new Fault("too_deep", `The body nests deeper than ${depthMax}: flatten it.`, {
        context: { path: "body" },
      });
    }
    level = level.flatMap((each) =>
      typeof each === "object" && each !== null && !ArrayBuffer.isView(each)
        ? Object.values(each)
        : [],
    );
  }
}
