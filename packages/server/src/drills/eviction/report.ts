/** Judges what was played by what could be read in the world, and sums it up. */
import type { Session } from "@lastgood/sdk";
import type { DrillEvent, DrillReport, Proof } from "../drill.ts";
import type { Played } from "./play.ts";
import { provedCrash, provedResumption, type Resumption, resumptionOf } from "./resumption.ts";
import { editor, nameOf } from "./story.ts";

export interface Both {
  readonly played: Played;
  readonly uninterrupted: Played;
  readonly timeline: readonly DrillEvent[];
}

export function reportOf({ played, uninterrupted, timeline }: Both): DrillReport {
  const { story, facts, settings } = played;
  const resumption = resumptionOf(played);
  const lost = lostOf(played);
  const duplicated = duplicatedOf(played);
  const proofs = [
    ...provedCrash(played),
    ...provedResumption(played, resumption),
    ...provedPost(played, uninterrupted),
    ...provedMessages(played, lost.messages),
    ...provedEffects(played, uninterrupted, duplicated.effects),
    ...provedRest(played, lost.commits),
  ];
  return {
    drill: "eviction",
    ok: proofs.every(({ holds }) => holds),
    seed: story.seed,
    variant: story.variant,
    timeline,
    ms: elapsed(played, resumption),
    lost: { messages: lost.messages, documents: 0, commits: lost.commits.length, executions: 0 },
    duplicated: { ...duplicated, messages: 0, work: rewritten(played) },
    incident: null,
    suspects: [],
    pages: facts.pages,
    postMortem: null,
    check: null,
    skill: null,
    proofs,
    details: {
      killedAt: { point: nameOf(story.kill.point), held: story.kill.held },
      interrupted: played.interrupted,
      resumed: resumption,
      wordsWrittenAgain: rewritten(played),
      tookMs: { interrupted: played.tookMs, uninterrupted: uninterrupted.tookMs },
      editorHeardAfterMs: played.heardMs,
      sessions: facts.sessions.map(({ record }) => record),
      commits: facts.commits,
      unknownEffects: facts.effects.filter(({ state }) => state === "unknown").map(({ id }) => id),
      settingsNotDefault: settings.notDefault,
    },
  };
}

function provedPost(played: Played, uninterrupted: Played): readonly Proof[] {
  const [ours, theirs] = [played, uninterrupted].map(publishedIn);
  const isSame = ours !== undefined && ours === theirs;
  const { written } = played.facts;
  return [
    proof(
      "the published post is byte for byte that of the uninterrupted run",
      isSame,
      `${ours?.length ?? 0} characters, uninterrupted ${theirs?.length ?? 0}`,
    ),
    proof(
      "so is the post on the branch",
      written !== "" && written === uninterrupted.facts.written,
      `${written.length} characters, uninterrupted ${uninterrupted.facts.written.length}`,
    ),
    proof(
      "both are what the seed asks for",
      ours === played.story.post.text,
      `${played.story.post.words} words`,
    ),
  ];
}

function publishedIn({ facts, story }: Played): string | undefined {
  return facts.given.find(({ kind, name }) => kind === "post" && name === story.post.slug)?.body;
}

function provedMessages({ facts, story }: Played, lost: number): readonly Proof[] {
  const { waiting, deadLetters, acts } = facts;
  const handled = acts.filter(({ event }) => event === "handled").length;
  return [
    proof(
      "each message was handled, and none is left",
      lost === 0 && waiting === 0 && deadLetters === 0,
      `${story.letters.length + 1} messages, ${lost} lost, ${waiting} waiting, ${deadLetters} dead; ${handled} handlings`,
    ),
  ];
}

function provedEffects(
  { facts, story, interrupted }: Played,
  uninterrupted: Played,
  doubled: number,
): readonly Proof[] {
  const names = namesOf(facts.given);
  const wanted = namesOf(uninterrupted.facts.given);
  const missing = [...wanted].filter((name) => !names.has(name));
  const open = facts.effects.filter(({ state }) => state !== "confirmed");
  const unknown = open.filter(({ state }) => state === "unknown");
  // Nobody but an operator settles what a member of the role left in doubt that does not come back.
  const mayStay = story.variant === "takeover" && interrupted !== null ? 1 : 0;
  return [
    proof(
      "each effect is in the outside exactly once",
      doubled === 0 && missing.length === 0 && names.size === wanted.size,
      `${facts.given.length} things, ${doubled} twice, ${missing.length} missing`,
    ),
    proof(
      "no effect is in doubt without being listed",
      open.length === unknown.length && unknown.length <= mayStay,
      `${facts.effects.length} in the ledger, ${unknown.length} unknown, ${open.length - unknown.length} open`,
    ),
  ];
}

function provedRest(
  { facts, story, interrupted }: Played,
  lost: readonly string[],
): readonly Proof[] {
  const claimed = facts.tasks.filter(({ claim }) => claim !== null).length;
  const task = facts.tasks.find(({ id }) => id === story.task);
  const told = (type: string) => facts.told.filter((each) => each === type).length;
  const deaths = interrupted === null || story.variant === "compaction" ? 0 : 1;
  return [
    proof(
      "every commit is still there",
      lost.length === 0,
      `${facts.commits.length} on the branch, ${lost.length} gone`,
    ),
    proof("the task is completed", task?.state === "completed", task?.state ?? "no task"),
    proof("nothing is claimed any longer", claimed === 0, `${claimed} claims`),
    proof("no person was called", facts.pages === 0, `${facts.pages} pages`),
    proof(
      `${editor} heard once of each death, and once of the end`,
      told("session.died") === deaths && told("task.completed") === 1,
      `${told("session.died")} of ${deaths} deaths, ${told("task.completed")} of 1 end`,
    ),
  ];
}

function lostOf({ facts, story }: Played) {
  const handled = (id: string) =>
    facts.acts.some(({ event, message }) => event === "handled" && message === id);
  const replied = (id: string) =>
    facts.given.some(({ kind, name }) => kind === "reply" && name === id);
  const letters = story.letters.filter(({ id, type }) =>
    type === "question" ? !replied(id) : !handled(id),
  );
  const isPublished = facts.given.some(({ name }) => name === story.post.slug);
  const made = facts.acts.flatMap(({ event, commit }) =>
    event === "committed" ? [String(commit)] : [],
  );
  return {
    messages: letters.length + (isPublished ? 0 : 1),
    commits: made.filter((commit) => !facts.commits.includes(commit)),
  };
}

function duplicatedOf({ facts }: Played): { readonly effects: number } {
  return { effects: facts.given.length - namesOf(facts.given).size };
}

function namesOf(given: Played["facts"]["given"]): ReadonlySet<string> {
  return new Set(given.map(({ kind, name }) => `${kind} ${name}`));
}

/** Words that were written more than once. */
function rewritten({ facts, story }: Played): number {
  const written = facts.acts
    .filter(({ event }) => event === "wrote")
    .reduce((sum, { from, to }) => sum + Number(to) - Number(from), 0);
  return Math.max(0, written - story.post.words);
}

function elapsed(played: Played, { briefedAt, resumedAt }: Resumption): DrillReport["ms"] {
  const { interrupted, facts, doneAt } = played;
  const killed = interrupted === null ? null : new Date(interrupted.at).getTime();
  const at = (text: string | null | undefined) => (text == null ? null : new Date(text).getTime());
  const of = facts.sessions.find(({ record }) => record.session_id === interrupted?.session);
  const detected = at(detectedAt(of));
  const span = (from: number | null, to: number | null) =>
    from === null || to === null ? null : to - from;
  return {
    injectedToDetected: span(killed, detected),
    detectedToDecided: span(detected, at(briefedAt)),
    decidedToContained: null,
    containedToVerified: null,
    injectedToVerified: span(killed, doneAt?.getTime() ?? null),
    injectedToResumed: span(killed, at(resumedAt)),
  };
}

function detectedAt(session: Session | undefined): string | null {
  return session?.detectedAt ?? null;
}

export function proof(what: string, holds: boolean, seen: string): Proof {
  return { what, holds, seen };
}
