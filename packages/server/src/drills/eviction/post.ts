/** The post that a seed asks for, word for word. Pure: whoever writes it, and however often, it is the same. */
import { type Chance, chanceOf } from "../random.ts";

export interface Section {
  /** From 1. */
  readonly n: number;
  readonly title: string;
  /** The name of its picture, as the text shows it. */
  readonly picture: string;
  /** The words of the post up to its end. */
  readonly endsAfter: number;
}

export interface Post {
  readonly slug: string;
  readonly title: string;
  /** In the work tree. */
  readonly path: string;
  readonly sections: readonly Section[];
  readonly words: number;
  readonly text: string;
}

export const sectionCount = 5;

const subjects = ["agents", "checkpoints", "inboxes", "rollbacks", "briefs", "ledgers"] as const;
const headings = [
  "What was lost",
  "What was kept",
  "The first minute",
  "Who noticed",
  "Reading the ledger",
  "Starting again",
  "What it cost",
  "Messages in flight",
  "The missing half",
  "Next week",
] as const;
const words = (
  "a the and of in to with from over under before after while agents workers commits messages sections " +
  "drafts pictures readers minutes restarts sessions state memory ledger inbox queue branch lease claim " +
  "wrote kept lost found read sent began ended noticed resumed counted measured repeated proved half whole " +
  "every next last quiet small slow certain plain again once twice never always exactly somewhere"
).split(" ") as [string, ...string[]];

export function postOf(seed: number): Post {
  const chance = chanceOf(seed ^ 0x9e37);
  const subject = chance.pick(subjects);
  const slug = `${chance.pick(["how", "when", "why"])}-${subject}-come-back-${seed}`;
  const title = `${chance.pick(["On", "About", "A note on"])} ${subject} that come back`;
  const titles = chance.shuffle(headings).slice(0, sectionCount);
  const texts = titles.map((heading, index) => {
    const head = index === 0 ? `# ${title}\n\n` : "\n\n";
    return `${head}${sectionText(chance, { heading, picture: pictureOf(slug, index + 1) })}`;
  });
  const sections = titles.map((heading, index) => ({
    n: index + 1,
    title: heading,
    picture: pictureOf(slug, index + 1),
    endsAfter: wordsIn(texts.slice(0, index + 1).join("")),
  }));
  const text = `${texts.join("")}\n`;
  return { slug, title, path: `posts/${slug}.md`, sections, words: wordsIn(text), text };
}

export function wordsIn(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}

/** What follows the first `from` words, up to the end of word `to`: also what stands between them. */
export function textBetween(post: Post, from: number, to: number): string {
  return post.text.slice(endOfWord(post, from), endOfWord(post, to));
}

/** After the last word comes the end of the text, whatever stands there. */
function endOfWord({ text, words }: Post, count: number): number {
  if (count >= words) return text.length;
  if (count <= 0) return 0;
  const word = /\S+/g;
  for (let seen = 0; seen < count; seen++) word.exec(text);
  return word.lastIndex;
}

function pictureOf(slug: string, n: number): string {
  return `${slug}-${n}.svg`;
}

function sectionText(
  chance: Chance,
  { heading, picture }: { heading: string; picture: string },
): string {
  const parts = [`## ${heading}`, `![${heading}](/picture/${picture})`];
  const least = chance.integer(260, 420);
  for (let count = 0; count < least; ) {
    const sentences = Array.from({ length: chance.integer(3, 6) }, () => sentence(chance));
    parts.push(sentences.join("\n"));
    count += wordsIn(sentences.join("\n"));
  }
  return parts.join("\n\n");
}

function sentence(chance: Chance): string {
  const said = Array.from({ length: chance.integer(7, 15) }, () => chance.pick(words)).join(" ");
  return `${said.charAt(0).toUpperCase()}${said.slice(1)}.`;
}
