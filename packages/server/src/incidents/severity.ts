import type { Severity } from "@lastgood/sdk";

const ranks: Readonly<Record<Severity, number>> = { low: 0, high: 1, critical: 2 };

/** The graver of the two (I4). */
export function graver(one: Severity, other: Severity): Severity {
  return ranks[other] > ranks[one] ? other : one;
}

/** What the rules say, raised by impact: two customer-facing services failing are never low. */
export function severityOf(
  symptoms: readonly {
    readonly service: string;
    readonly severity: Severity;
    readonly customerFacing: boolean;
  }[],
): Severity {
  const said = symptoms.map((each) => each.severity).reduce(graver, "low");
  const facing = new Set(
    symptoms.filter((each) => each.customerFacing).map((each) => each.service),
  );
  return facing.size >= 2 ? graver(said, "high") : said;
}
