/** What an agent must be told before anything else. Pure. */
import type { Session } from "../fleet/session.ts";
import { oneLine } from "./conclude.ts";

/** A hand that was held, in force while it is not reinstated. */
export interface Contained {
  readonly since: Date;
  readonly because: string;
  readonly incident: string | null;
  readonly reinstatedAt: Date | null;
}

/** A change of the agent's that another change took back. */
export interface TakenBack {
  readonly layer: string;
  readonly task: string | null;
  /** A repository, or a document `collection/id`. */
  readonly target: string;
  /** The commit or version that it made. */
  readonly to: string | null;
  readonly reason: string;
  readonly by: string;
  readonly revert: string | null;
  readonly because: string;
  readonly incident: string | null;
}

export interface Told {
  readonly contained: readonly Contained[];
  readonly takenBack: readonly TakenBack[];
  readonly parked: { readonly at: Date; readonly because: string } | null;
  /** The session before and, where it did not end cleanly, those before it that did not either. */
  readonly before: readonly Session[];
}

export function noticesOf({ contained, takenBack, parked, before }: Told): readonly string[] {
  return [
    ...contained.map(containedSays),
    ...(parked === null
      ? []
      : [`You are parked since ${instant(parked.at)}: ${oneLine(parked.because, 300)}.`]),
    ...takenBack.map(takenBackSays),
    ...beforeSays(before),
  ];
}

function containedSays({ since, because, incident, reinstatedAt }: Contained): string {
  const why = `${oneLine(because, 300)}${incident === null ? "" : ` (${incident})`}`;
  return reinstatedAt === null
    ? `You are contained since ${instant(since)}: what you push is not deployed. ${why}`
    : `You were contained from ${instant(since)} to ${instant(reinstatedAt)}: ${why}`;
}

function takenBackSays(each: TakenBack): string {
  const { layer, target, to, reason, by, revert, because, incident } = each;
  const what =
    layer === "code"
      ? `commit ${(to ?? "").slice(0, 7)} of ${target} ("${oneLine(reason, 100)}")`
      : `change to ${target}${to === null ? "" : `, version ${oneLine(to, 20)},`}`;
  const how = layer === "code" && revert !== null ? ` by ${revert.slice(0, 7)}` : ` by ${by}`;
  const during = incident === null ? "" : ` (${incident})`;
  return `Your ${oneLine(what, 300)} was reverted${how} because ${oneLine(because, 300)}${during}. Do not bring it back.`;
}

const deathSays: Readonly<Record<string, string>> = {
  crashed: "crashed",
  hung: "hung",
  evicted: "was evicted",
  fenced: "was fenced: another took its place",
  parked: "ended because you were parked",
};

function beforeSays([last, ...older]: readonly Session[]): readonly string[] {
  if (last === undefined) return [];
  const how = last.exitReason === null ? null : deathSays[last.exitReason];
  if (how === undefined) return [];
  const said =
    how === null || last.endedAt === null
      ? `Your session before, ${last.id}, has no recorded end.`
      : `Your session before, ${last.id}, ${how} at ${instant(last.endedAt)}${last.detail === "" ? "" : `: ${oneLine(last.detail, 200)}`}.`;
  return older.length === 0
    ? [said]
    : [said, `${older.length + 1} sessions in a row did not end cleanly.`];
}

/** To the second. */
export function instant(at: Date | string): string {
  return new Date(at).toISOString().replace(/\.\d{3}Z$/, "Z");
}
