/** How whoever came next went on: judged by what the writer announced, and by what was on its disk. */
import type { Conclusion } from "@lastgood/sdk";
import type { Proof } from "../drill.ts";
import type { Played } from "./play.ts";
import type { Act } from "./reading.ts";
import { deputy, writer } from "./story.ts";

export interface Resumption {
  /** Who went on. */
  readonly agent: string;
  readonly briefedAt: string | null;
  /** How long the brief took, from asking to having it. */
  readonly briefMs: number | null;
  readonly conclusion: Conclusion | null;
  /** Where the words came from that were not committed. */
  readonly source: string | null;
  /** Effects that the brief had in doubt. */
  readonly doubted: number;
  /** Null where the post was finished when it was interrupted. */
  readonly resumedAt: string | null;
  readonly word: number | null;
}

/** The brief that counts is the last one before the writing went on. */
export function resumptionOf({ facts, interrupted, story }: Played): Resumption {
  const agent = story.variant === "takeover" ? deputy : writer;
  const after = facts.acts.filter(
    (act) => act.agent === agent && act.at >= (interrupted?.at ?? ""),
  );
  const resumed = after.find(({ event }) => event === "resumed");
  const briefs = after.filter(({ event }) => event === "briefed");
  const brief = resumed === undefined ? briefs[0] : briefs.findLast(({ at }) => at <= resumed.at);
  return {
    agent,
    briefedAt: brief?.at ?? null,
    briefMs: brief === undefined ? null : Number(brief.tookMs),
    conclusion: brief === undefined ? null : (brief.conclusion as Conclusion),
    source: (brief?.source as string | null | undefined) ?? null,
    doubted: (brief?.effects as readonly string[] | undefined)?.length ?? 0,
    resumedAt: resumed?.at ?? null,
    word: resumed === undefined ? null : Number(resumed.word),
  };
}

const slackMs = 1_000;

/** A death is noticed within its lease and a second; where nobody died, none is invented. */
export function provedCrash({ facts, interrupted, story }: Played): readonly Proof[] {
  const dead = facts.sessions.filter(({ record }) => isDeath(record.exit_reason));
  const seen =
    dead.map(({ record, detail }) => `${record.session_id}: ${detail}`).join("; ") || "none";
  if (story.variant === "compaction") {
    const what = "no death was invented: it is the same session";
    return [{ what, holds: dead.length === 0 && facts.sessions.length === 1, seen }];
  }
  const of = dead.find(({ record }) => record.session_id === interrupted?.session);
  const detected = of?.detectedAt == null ? null : new Date(of.detectedAt).getTime();
  const tookMs = detected === null ? null : detected - new Date(interrupted?.at ?? 0).getTime();
  const within = (of?.leaseMs ?? 0) + slackMs;
  return [
    {
      what: "the crash was noticed, and none was invented",
      holds: of !== undefined && dead.length === 1,
      seen,
    },
    {
      what: "it was noticed within the lease and a second",
      holds: tookMs !== null && tookMs <= within,
      seen: `${tookMs ?? "never"} of ${within} ms`,
    },
  ];
}

function isDeath(reason: string | null): boolean {
  return reason !== null && ["crashed", "hung", "evicted"].includes(reason);
}

export function provedResumption(played: Played, resumption: Resumption): readonly Proof[] {
  const { interrupted, story, facts } = played;
  const before = facts.acts.filter(({ at }) => at <= (interrupted?.at ?? ""));
  const { conclusion, briefMs, word } = resumption;
  return [
    {
      what: "the brief was delivered",
      holds: conclusion !== null,
      seen: `${briefMs ?? "never"} ms: ${conclusion?.says ?? "no brief"}`,
    },
    {
      what: "it names the task, the subtask, the artifact and the word",
      ...judged(played, resumption, before),
    },
    {
      what: "the work went on from the word that was there",
      holds: word === wordThatWasThere(played),
      seen: `word ${word ?? "-"}; at the interruption there were ${interrupted?.words ?? "-"} (${story.variant})`,
    },
  ];
}

/**
 * Whoever has the disk has every word; another member of the role what was pushed; a new disk what was saved.
 * Null where the post was finished.
 */
function wordThatWasThere({ interrupted, story, facts }: Played): number | null {
  const words = interrupted?.words ?? 0;
  const { variant, post, kill } = story;
  if (words === post.words && facts.acts.every(({ event, at }) => !isResumption(event, at))) {
    return null;
  }
  const committed = committedWords(facts.acts, interrupted?.at ?? "", post.sections);
  if (variant === "takeover") return committed;
  return kill.savedWords === null ? words : committed + kill.savedWords;

  function isResumption(event: string, at: string): boolean {
    return event === "resumed" && at >= (interrupted?.at ?? "");
  }
}

function judged(
  { story, interrupted, facts }: Played,
  { conclusion, word }: Resumption,
  before: readonly Act[],
): Pick<Proof, "holds" | "seen"> {
  const seen = JSON.stringify({ ...conclusion, says: undefined, doubts: undefined });
  if (conclusion === null) return { holds: false, seen };
  const committed = before.filter(({ event }) => event === "committed").length;
  const isOver = word === null && conclusion.task === null;
  if (isOver) return { holds: interrupted?.words === story.post.words, seen };
  const next = committed === story.post.sections.length ? null : committed + 1;
  const atCommit = committedWords(facts.acts, interrupted?.at ?? "", story.post.sections);
  const words = conclusion.artifact?.words ?? atCommit;
  return {
    holds:
      conclusion.task === story.task &&
      (conclusion.subtask?.n ?? null) === next &&
      conclusion.artifact?.path === story.post.path &&
      words === (word ?? words),
    seen,
  };
}

function committedWords(
  acts: readonly Act[],
  until: string,
  sections: Played["story"]["post"]["sections"],
): number {
  const commits = acts.filter(({ event, at }) => event === "committed" && at <= until);
  const last = Math.max(0, ...commits.map(({ section }) => Number(section)));
  return sections[last - 1]?.endsAfter ?? 0;
}
