/**
 * Holds what the world shows at the end against what was acknowledged to the workers before they died. Each
 * violation is a sentence that names what it is about.
 */
import type { Effect, Session } from "@lastgood/sdk";
import { textOf } from "./job.ts";
import type { Life } from "./life.ts";
import type { Line } from "./said.ts";
import { pagesMax, type WorldAtEnd } from "./world-at-end.ts";

export interface Judged {
  readonly what: string;
  readonly violations: readonly string[];
}

/** What is to be zero, in the order of the table. */
export function judge(lives: readonly Life[], world: WorldAtEnd): readonly Judged[] {
  const lost = effectsIn(world, (count) => count === 0);
  const repeated = effectsIn(world, (count) => count > 1);
  return [
    { what: "crashes not noticed", violations: unnoticed(lives, world) },
    { what: "crashes invented", violations: invented(lives, world) },
    { what: "messages lost", violations: lostMessages(world) },
    { what: "messages handled twice, by effect", violations: repeated.byOther },
    { what: "effects repeated", violations: repeated.bySame },
    { what: "effects lost", violations: lost.bySame },
    {
      what: "unknown effects not listed, or listed without need",
      violations: unknowns(lives, world),
    },
    { what: "commits lost, or made twice", violations: commits(lives, world) },
    { what: "uncommitted words lost", violations: words(lives, world) },
    { what: "briefs that were wrong about what is there", violations: briefs(lives) },
    { what: "claims left", violations: claims(world) },
    { what: "storms not told once", violations: storms(world) },
    { what: "workers that broke by themselves", violations: broken(lives) },
    { what: "errors in the server's log", violations: world.errors },
  ];
}

const deaths: readonly (string | null)[] = ["crashed", "hung", "evicted"];

/** One that another worker had fenced while it lived, or as it died, may be said to be fenced, or to have crashed. */
export function unnoticed(
  lives: readonly Life[],
  { sessions }: Pick<WorldAtEnd, "sessions">,
): readonly string[] {
  return lives.flatMap((life) => {
    const killedAt = life.killedAt();
    const session = sessions.get(life.session() ?? "");
    if (killedAt === null || session === undefined) return [];
    const { session_id: id, exit_reason: reason, ended_at: ended } = session.record;
    if (deaths.includes(reason) || endedBefore(session, killedAt)) return [];
    if (seemsToLive(life, session, killedAt)) return [];
    return [
      `${id} was killed at ${new Date(killedAt).toISOString()}, and is ${reason ?? "alive"} (${ended})`,
    ];
  });
}

/** It was fenced, or had said its end itself. */
function endedBefore({ record }: Session, killedAt: number): boolean {
  const { ended_at: ended, exit_reason: reason } = record;
  if (reason === "stopped" || reason === "completed") return true;
  return reason === "fenced" && ended !== null && new Date(ended).getTime() <= killedAt;
}

const heardLateMsMax = 1_000;

/** What it had asked as it died is heard after its death: one that was fenced in between seems to live. */
function seemsToLive({ lines }: Life, { record }: Session, killedAt: number): boolean {
  const { ended_at: ended, exit_reason: reason } = record;
  if (reason !== "fenced" || ended === null) return false;
  const answered = new Set(lines.flatMap((line) => (line.say === "answered" ? [line.n] : [])));
  const isUnanswered = lines.some((line) => line.say === "asked" && !answered.has(line.n));
  return isUnanswered && new Date(ended).getTime() <= killedAt + heardLateMsMax;
}

function invented(lives: readonly Life[], { sessions }: WorldAtEnd): readonly string[] {
  const killed = new Set(
    lives.filter((life) => life.killedAt() !== null).map((life) => life.session()),
  );
  // Killed before it was told which session is its own.
  const unsaid = lives.filter((life) => life.killedAt() !== null && life.session() === null).length;
  const known = new Set(lives.map((life) => life.session()));
  const dead = [...sessions.values()].filter(({ record }) => deaths.includes(record.exit_reason));
  const ofKnown = dead.filter(({ record: { session_id: id } }) => known.has(id) && !killed.has(id));
  const nameless = [...sessions.keys()].filter((id) => !known.has(id));
  return [
    ...ofKnown.map(({ record, detail }) => `${record.session_id} lived, and was buried: ${detail}`),
    ...(nameless.length > unsaid
      ? [`${nameless.length} sessions of nobody, and ${unsaid} killed while they opened one`]
      : []),
  ];
}

function lostMessages({ given, tasks, waiting, deadLetters }: WorldAtEnd): readonly string[] {
  const open = given.filter((id) => id.startsWith("job-") && tasks.get(id)?.state !== "completed");
  return [
    ...open.map((id) => `${id} is ${tasks.get(id)?.state ?? "nowhere"}`),
    ...waiting.map((id) => `${id} still waits`),
    ...deadLetters.map((id) => `${id} is a dead letter`),
  ];
}

/**
 * Of what was wanted of the outside, what it has not exactly once: more often under the same id it was
 * repeated, under several its message was handled again.
 */
function effectsIn({ wanted, outside }: WorldAtEnd, isBad: (count: number) => boolean) {
  const bySame: string[] = [];
  const byOther: string[] = [];
  for (const name of wanted) {
    const keys = outside.get(name) ?? [];
    if (!isBad(keys.length)) continue;
    const isHandledAgain = new Set(keys).size > 1;
    (isHandledAgain ? byOther : bySame).push(`${name}: ${keys.join(", ") || "never"}`);
  }
  return { bySame, byOther };
}

/** Unknown are exactly those without a look-up that were cut between dispatch and confirm. */
function unknowns(
  lives: readonly Life[],
  { unknown, listedAt, looked }: WorldAtEnd,
): readonly string[] {
  // What is known of them afterwards somebody looked up.
  const words = lives.flatMap(({ lines }) =>
    wordsOnEffects(lines.filter(({ at }) => at <= listedAt)),
  );
  const said = (word: Word["word"]) =>
    new Set(words.flatMap((each) => (each.word === word ? [each.name] : [])));
  const [known, cut, unclear] = [said("known"), said("cut"), said("unclear")];
  const listed = new Set(unknown.map(nameOf));
  const missing = [...cut].filter((name) => !looked.has(name) && !listed.has(name));
  const needless = [...listed].filter(
    (name) => looked.has(name) || known.has(name) || !(cut.has(name) || unclear.has(name)),
  );
  return [
    ...missing.map((name) => `${name} was cut, and is not listed`),
    ...needless.map((name) => `${name} is listed, and was not cut, or could be looked up`),
  ];
}

/** `known`: its worker had it confirmed. `unclear`: it died while it asked for that, or for leave to begin. */
interface Word {
  readonly name: string;
  readonly word: "known" | "cut" | "unclear";
}

function wordsOnEffects(lines: readonly Line[]): readonly Word[] {
  return lines.flatMap((line, index): readonly Word[] => {
    if (line.say !== "acting") return [];
    const name = `${line.of} ${line.kind}`;
    const after = lines.slice(index);
    const isOfIt = (each: Line) => "kind" in each && `${each.of} ${each.kind}` === name;
    if (after.some((each) => each.say === "acted" && isOfIt(each)))
      return [{ name, word: "known" }];
    const sending = after.find((each) => each.say === "sending" && isOfIt(each));
    if (sending?.say !== "sending") return [{ name, word: "unclear" }];
    const asked = after.find((each) => isConfirm(each, "asked", sending.effect));
    const answer = after.find((each) => isConfirm(each, "answered", sending.effect));
    if (answer?.say === "answered")
      return [{ name, word: answer.status === 200 ? "known" : "cut" }];
    return [{ name, word: asked === undefined ? "cut" : "unclear" }];
  });
}

function isConfirm(line: Line, say: "asked" | "answered", effect: string): boolean {
  return line.say === say && line.call === "confirm" && line.of === effect;
}

function nameOf({ task, key }: Effect): string {
  return task === null ? key : `${task} ${key}`;
}

function commits(
  lives: readonly Life[],
  { history, recorded, jobs }: WorldAtEnd,
): readonly string[] {
  const made = lives.flatMap(({ agent, lines }) =>
    lines.flatMap((line) => (line.say === "committed" ? [{ ...line, agent }] : [])),
  );
  const gone = made.filter(
    ({ agent, commit }) => !history.get(agent)?.some(({ id }) => id === commit),
  );
  const told = lives.flatMap(({ lines }) => toldCommits(lines));
  const unrecorded = told.filter((commit) => !recorded.has(commit));
  const doubled = jobs.filter(({ id, agent }) => {
    const own = history.get(agent)?.filter(({ subject }) => subject.includes(`[task:${id}]`));
    return own?.length !== 1;
  });
  return [
    ...gone.map(({ commit, job }) => `${commit} of ${job} is not in the history`),
    ...unrecorded.map((commit) => `${commit} was reported, and is not recorded`),
    ...doubled.map(({ id }) => `${id} was not committed exactly once`),
  ];
}

/** Commits of which the server had answered that it has them. */
function toldCommits(lines: readonly Line[]): readonly string[] {
  let last: string | null = null;
  return lines.flatMap((line) => {
    if (line.say === "committed") last = line.commit;
    const isTold = line.say === "answered" && line.call === "checkpoints" && line.status === 200;
    return isTold && last !== null ? [last] : [];
  });
}

/** Nobody resumes behind what had been written, and at the end each file is what was asked for. */
function words(lives: readonly Life[], { jobs, files }: WorldAtEnd): readonly string[] {
  const written = new Map<string, number>();
  const behind: string[] = [];
  for (const line of lives.flatMap(({ lines }) => lines).sort((one, other) => one.at - other.at)) {
    if (line.say === "wrote") {
      written.set(line.job, Math.max(written.get(line.job) ?? 0, line.words));
    }
    const before = line.say === "resumed" ? (written.get(line.job) ?? 0) : 0;
    if (line.say === "resumed" && line.words < before) {
      behind.push(`${line.job} went on from word ${line.words}, and ${before} were written`);
    }
  }
  const wrong = jobs.filter((job) => files.get(job.id) !== textOf(job));
  return [...behind, ...wrong.map(({ id }) => `${id} is not what was asked for`)];
}

function briefs(lives: readonly Life[]): readonly string[] {
  return lives.flatMap(({ lines }) =>
    lines.flatMap((line) =>
      line.say === "briefed" && line.task !== null && (line.words ?? 0) !== line.onDisk
        ? [`of ${line.task} the brief says ${line.words} words, and there are ${line.onDisk}`]
        : [],
    ),
  );
}

function claims({ tasks, sessions }: WorldAtEnd): readonly string[] {
  const held = [...tasks.values()].filter(({ claim }) => claim !== null);
  const alive = [...sessions.values()].filter(({ state }) => state !== "ended");
  return [
    ...held.map(({ id, claim }) => `${id} is claimed by ${claim?.session}`),
    ...alive.map(({ record }) => `${record.session_id} is not over`),
  ];
}

function storms({ pages, released }: WorldAtEnd): readonly string[] {
  const isTold = pages === Math.min(released, pagesMax);
  return isTold ? [] : [`${released} times an agent was parked, ${pages} pages`];
}

function broken(lives: readonly Life[]): readonly string[] {
  return lives.flatMap((life) => life.brokeWith() ?? []);
}
