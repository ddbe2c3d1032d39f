/** What one seed tells: the post that is asked for, what else is in the inbox, and where the kill lands. */
import { type Chance, chanceOf } from "../random.ts";
import { type Post, postOf, sectionCount } from "./post.ts";

export const variants = ["plain", "takeover", "disk-gone", "compaction"] as const;
export type Variant = (typeof variants)[number];

export const role = "writers";
/** Who writes, and who finishes in its place where it does not come back. */
export const writer = "marketing";
export const deputy = "press";
/** Who asks for the post, and hears how it ended. */
export const editor = "editor";
export const colleagues = [editor, "support", "analytics"] as const;
export type Colleague = (typeof colleagues)[number];

/** A moment that a writer announces as it reaches it. */
export type Step =
  | "words that are saved"
  | "words past the last commit"
  | "before commit"
  | "after commit"
  | "before effect dispatch"
  | "between effect and confirm"
  | "after effect"
  | "before ack"
  | "after ack";

/** `of`: `section 3`, `picture 3`, `post`, `reply`, `task`. */
export interface Point {
  readonly step: Step;
  readonly of: string;
}

export interface Kill {
  readonly point: Point;
  /** How many words past the last commit, for the step of that name. */
  readonly words: number;
  /** Where a disk will be gone: how many words past that commit its work tree is saved once more. */
  readonly savedWords: number | null;
  /** The writer does not pass the point before the kill lands; otherwise it runs on, and it lands where it lands. */
  readonly held: boolean;
}

/** A message that has nothing to do with the post. A question is answered by an effect; a note is read. */
export interface Letter {
  readonly id: string;
  readonly from: Colleague;
  readonly type: "question" | "note";
  readonly text: string;
  /** Where it stands in the inbox: before or behind what asks for the post. */
  readonly before: boolean;
}

export interface Story {
  readonly seed: number;
  readonly variant: Variant;
  readonly task: string;
  readonly post: Post;
  readonly letters: readonly Letter[];
  readonly kill: Kill;
}

/** What is written at once: a kill lands between two of these. */
export const chunkWords = 20;

export function tellStory(seed: number, forced: Variant | null): Story {
  const chance = chanceOf(seed);
  const variant = forced ?? chance.pick(variants);
  const letters = lettersOf(chanceOf(seed + 0x5eed), seed);
  return {
    ...{ seed, variant, letters },
    task: `task_2026_0921_${String(seed).padStart(3, "0")}`,
    post: postOf(seed),
    kill: killOf(chanceOf(seed + 0xdead), variant, letters),
  };
}

export function nameOf({ step, of }: Point): string {
  return `${step}, ${of}`;
}

/** In half of the stories it lands some 200 words past the last commit, in the others anywhere. */
function killOf(chance: Chance, variant: Variant, letters: readonly Letter[]): Kill {
  const section = chance.integer(2, sectionCount - 1);
  const words = chunkWords * chance.integer(9, 11);
  const main: Point = { step: "words past the last commit", of: `section ${section}` };
  const others = pointsOf(section, letters).filter(
    // What was committed and not pushed is on a disk that the other member has not.
    ({ step }) => variant !== "takeover" || step !== "after commit",
  );
  const elsewhere = chance.pick([main, ...others]);
  const isMain = chance.next() < 0.5;
  // Where nobody comes back for what it had not pushed, it does not run on.
  const held = variant === "takeover" || chance.next() < 0.75;
  // A disk that is gone takes words with it, or there is nothing to see; what is compacted is between two acts.
  const savedWords = variant === "disk-gone" ? chunkWords * chance.integer(3, 6) : null;
  if (variant === "disk-gone") return { point: main, words, savedWords, held: true };
  if (variant === "compaction") {
    const between = chance.pick([main, { step: "before commit", of: main.of } as const]);
    return { point: isMain ? main : between, words, savedWords, held: true };
  }
  return { point: isMain ? main : elsewhere, words, savedWords, held };
}

function pointsOf(section: number, letters: readonly Letter[]): readonly Point[] {
  const effects = [`picture ${section}`, "post"];
  if (letters.some(({ type }) => type === "question")) effects.push("reply");
  const around = ["before effect dispatch", "between effect and confirm", "after effect"] as const;
  return [
    { step: "before commit", of: `section ${section}` },
    { step: "after commit", of: `section ${section}` },
    ...effects.flatMap((of) => around.map((step): Point => ({ step, of }))),
    { step: "before ack", of: "task" },
    { step: "after ack", of: "task" },
  ];
}

const questions = [
  "Does the free plan keep versions?",
  "Where do I see what an agent did?",
  "Can I undo one task alone?",
] as const;
const notes = [
  "Visits are up by a tenth since the last post.",
  "The style guide has a new page on headings.",
  "Nobody is in the office on Friday.",
] as const;

function lettersOf(chance: Chance, seed: number): readonly Letter[] {
  return Array.from({ length: chance.integer(1, 4) }, (_, index): Letter => {
    const type = chance.next() < 0.6 ? "question" : "note";
    return {
      id: `letter-${seed}-${index + 1}`,
      from: type === "question" ? "support" : chance.pick(["analytics", editor] as const),
      type,
      text: type === "question" ? chance.pick(questions) : chance.pick(notes),
      before: chance.next() < 0.5,
    };
  });
}
