/** Which files of a work tree no commit has: a pure decision on what a look found. */
import type { UncommittedFile } from "@lastgood/sdk";
import type { Inspection } from "./inspect.ts";
import { type Difference, differencesBetween } from "./tree-files.ts";

export interface Uncommitted extends Difference {
  readonly kind: UncommittedFile["kind"];
  readonly bytes: number;
}

/** By path. */
export function uncommitted({ base, scan, isSparse }: Inspection): readonly Uncommitted[] {
  const found: Uncommitted[] = [];
  for (const difference of differencesBetween(base, scan.files, scan.unknown)) {
    const { path, before, after } = difference;
    const isMissing = after === undefined;
    // A commit of another repository is no file: its folder may well be empty.
    if (isMissing && (before?.mode === "160000" || isSparse || scan.others.has(path))) continue;
    const isLink = (after ?? before)?.mode === "120000";
    const bytes = scan.files.get(path)?.bytes ?? 0;
    found.push({ ...difference, kind: isLink ? "link" : "file", bytes });
  }
  for (const [path, { size }] of scan.others) {
    found.push({ path, before: base.get(path), after: undefined, kind: "other", bytes: size });
  }
  for (const [path, bytes] of scan.tooLarge) {
    found.push({ path, before: base.get(path), after: undefined, kind: "file", bytes });
  }
  return found.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** The content that is there, and the one that the last commit has. */
export function newsKey({ before, after }: Difference): string {
  return `${after?.id ?? ""} ${before?.id ?? ""}`;
}
