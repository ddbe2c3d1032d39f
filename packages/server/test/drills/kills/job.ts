/** What the killed agents work on. Pure: a job is the same however often it is begun. */
import { chanceOf } from "../../../src/drills/random.ts";

export interface JobEffect {
  readonly kind: string;
  /** Without one, an effect that is cut between dispatch and confirm stays unknown until a person looks. */
  readonly hasLookup: boolean;
}

/** A task with a file to write, a commit to make and one or two effects. */
export interface Job {
  readonly id: string;
  readonly agent: string;
  readonly path: string;
  /** Separated by single spaces, ended by a line feed. */
  readonly words: readonly string[];
  readonly effects: readonly JobEffect[];
}

export const chunkWords = 6;
const pool =
  "some words that are written again and again until nobody kills whoever writes them".split(
    " ",
  ) as [string, ...string[]];

export function jobOf(seed: number, agent: string, index: number): Job {
  const chance = chanceOf(seed * 7_919 + index * 31 + Number(agent.replace(/\D/g, "")) * 104_729);
  const id = `job-${agent}-${index}`;
  const words = Array.from({ length: chunkWords * chance.integer(3, 7) }, () => chance.pick(pool));
  const effects: JobEffect[] = [{ kind: "first", hasLookup: chance.next() < 0.75 }];
  if (chance.next() < 0.5) effects.push({ kind: "second", hasLookup: chance.next() < 0.75 });
  return { id, agent, path: `jobs/${id}.txt`, words, effects };
}

export function textOf({ words }: Job): string {
  return `${words.join(" ")}\n`;
}

/** What is appended to a file that has `from` words so far. */
export function chunkAfter(job: Job, from: number): string {
  const chunk = job.words.slice(from, from + chunkWords).join(" ");
  const isLast = from + chunkWords >= job.words.length;
  return `${from === 0 ? "" : " "}${chunk}${isLast ? "\n" : ""}`;
}

/** Every third message is no task but a question, which is answered by an effect. */
export function isQuestion(index: number): boolean {
  return index % 3 === 2;
}

export function questionId(agent: string, index: number): string {
  return `question-${agent}-${index}`;
}
