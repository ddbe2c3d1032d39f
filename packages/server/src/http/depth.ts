import { Fault } from "../fault.ts";

export const depthMax = 64;

/**
 * Refuses a parsed body that nests deeper than 64 (`too_deep`), without recursion of its own, and one with a
 * number that is too large to be one (`bad_input`): JSON lets `1e400` through, and nothing could write it again.
 */
export function requireKeepable(body: unknown): void {
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) {
      throw new Fault("too_deep", `The body nests deeper than ${depthMax}: flatten it.`, {
        context: { path: "body" },
      });
    }
    level = level.flatMap((each) => {
      if (typeof each === "number" && !Number.isFinite(each)) throw tooLarge(body);
      return typeof each === "object" && each !== null && !ArrayBuffer.isView(each)
        ? Object.values(each)
        : [];
    });
  }
}

/** Numbers and depth are looked at level by level: what is reached here lies within the depth. */
function tooLarge(body: unknown): Fault {
  const path = pathTo(body, "body", 0) ?? "body";
  return new Fault(
    "bad_input",
    `${path.slice(0, 200)} is a number beyond 1.8e308, which no program keeps as it is: write a smaller one, or a text.`,
    { context: { path: path.slice(0, 200) } },
  );
}

function pathTo(value: unknown, at: string, depth: number): string | null {
  if (typeof value === "number") return Number.isFinite(value) ? null : at;
  if (typeof value !== "object" || value === null || depth > depthMax) return null;
  for (const [key, each] of Object.entries(value)) {
    const found = pathTo(each, `${at}/${key}`, depth + 1);
    if (found !== null) return found;
  }
  return null;
}
