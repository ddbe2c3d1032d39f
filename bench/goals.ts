/** What a measurement says of its goals: every figure whose name ends with `ToGoal`, 1 being the goal itself. */
export interface Missed {
  /** Where it stands, such as `gateway.inServer.ratios.firstWordP99ToGoal`. */
  readonly figure: string;
  readonly ratio: number;
}

export function missedIn(results: object, path: readonly string[] = []): readonly Missed[] {
  return Object.entries(results).flatMap(([name, value]: [string, unknown]) => {
    const place = [...path, name];
    if (typeof value === "object" && value !== null) return missedIn(value, place);
    const isMissed = name.endsWith("ToGoal") && !(typeof value === "number" && value <= 1);
    return isMissed ? [{ figure: place.join("."), ratio: Number(value) }] : [];
  });
}
