import type { DrillReport } from "../../src/drills/drill.ts";

/** What must be seen against a mutation, all of it. A drill that fails otherwise has not caught it. */
export interface CaughtBy {
  /** What the recovery says of the step that did not take; null where no verification can see it. */
  readonly verification: RegExp | null;
  /** Not said: it must come to its end. `none`: none is opened. `any`: the drill does not wait for its end. */
  readonly incident?: "none" | "any";
  /** The drill's own proofs that must not hold, by their names. */
  readonly proofs: readonly string[];
}

/** How a drill over a mutated Lastgood went. */
export type Drilled =
  | {
      readonly kind: "reported";
      readonly report: DrillReport;
      /** The mutant itself broke: what the drill saw says nothing of the mutation. */
      readonly mutantThrew: string | null;
    }
  /** The drill, or the server under it, came to no report. */
  | { readonly kind: "threw"; readonly because: string };

export type MutationVerdict =
  | { readonly kind: "caught"; readonly by: readonly string[] }
  | { readonly kind: "not-caught" }
  | { readonly kind: "failed-otherwise"; readonly because: readonly string[] };

/** Whether the drill failed for the reason for which it should have. */
export function judgeMutation(
  { verification, incident: wanted, proofs }: CaughtBy,
  drilled: Drilled,
): MutationVerdict {
  if (drilled.kind === "threw") return otherwise(`no report: ${drilled.because}`);
  const { report, mutantThrew } = drilled;
  if (mutantThrew !== null) return otherwise(`the mutant itself broke: ${mutantThrew}`);
  if (report.ok) return { kind: "not-caught" };
  const failed = report.proofs.filter(({ holds }) => !holds);
  const seen = failed.map(({ what, seen: was }) => `${what}: ${was}`);
  const incident = incidentOf(report);
  if (wanted !== "any" && incident !== (wanted ?? "ended"))
    return otherwise(says[incident], ...seen);
  const said = report.timeline
    .map(({ event }) => event)
    .filter((event) => /did not take/.test(event));
  const words = verification === null ? null : said.find((event) => verification.test(event));
  const missing = [
    ...(words === undefined ? [`no verification said ${verification}`] : []),
    ...proofs
      .filter((what) => !failed.some((each) => each.what === what))
      .map((what) => `not against it: "${what}"`),
  ];
  if (missing.length > 0) return otherwise(...missing, ...said.map(shortened), ...seen);
  return { kind: "caught", by: [...(words == null ? [] : [shortened(words)]), ...seen] };
}

const says = {
  none: "no incident was opened",
  open: "the incident had not come to an end when the patience ran out",
  ended: "an incident was opened, and came to its end",
} as const;

function incidentOf({ ending, incident }: DrillReport): keyof typeof says {
  if (ending !== "unfinished") return "ended";
  return incident === null ? "none" : "open";
}

function otherwise(...because: readonly string[]): MutationVerdict {
  return { kind: "failed-otherwise", because };
}

function shortened(text: string): string {
  return text.slice(0, 300);
}
