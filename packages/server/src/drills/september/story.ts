import { type Chance, chanceOf } from "../random.ts";
import { type Edit, featureEdit, flakyEdit, guiltyEdit, innocentEdits } from "./edits.ts";
import { guiltyAgainEdit, innocentAgainEdits } from "./edits-again.ts";

export const variants = ["plain", "same-file", "flaky-test"] as const;
export type Variant = (typeof variants)[number];

/** A commit of the story: who makes it, and whether it is the one that did it. */
export interface Act {
  readonly agent: CodingAgent;
  readonly edit: Edit;
  readonly guilty: boolean;
}

export const codingAgents = ["backend", "search", "editorial"] as const;
export type CodingAgent = (typeof codingAgents)[number];

/** What one seed tells: pushed one deploy after another, or all in one. */
export interface Story {
  readonly seed: number;
  readonly variant: Variant;
  readonly bundled: boolean;
  readonly acts: readonly Act[];
  /** What the scheduler asks of the marketing agent once the damage is done. */
  readonly posts: readonly Post[];
  /** What `--again` goes on with when all is well again. */
  readonly again: { readonly acts: readonly Act[]; readonly posts: readonly Post[] };
}

export interface Post {
  readonly slug: string;
  readonly title: string;
  readonly words: number;
}

/** Three or four innocents by two others, the guilty commit, and the backend agent's innocent feature. */
export function tellStory(seed: number, forced: Variant | null): Story {
  const chance = chanceOf(seed);
  const variant = chance.pick(variants);
  const bundled = chance.next() < 0.5;
  return {
    seed,
    variant: forced ?? variant,
    bundled,
    acts: actsOf(chance, seed, forced ?? variant),
    posts: postsOf(chance, `launch-${seed}`),
    again: tellAgain(seed),
  };
}

function postsOf(chance: Chance, name: string): readonly Post[] {
  return Array.from({ length: 4 }, (_, index) => ({
    slug: `${name}-${index + 1}`,
    title: `${chance.pick(["What we shipped", "A note on", "Behind"])} ${chance.pick(["search", "the feed", "drafts"])}`,
    words: chance.integer(300, 1_400),
  }));
}

/** Told from a chance of its own: the story before it is the same with and without it. */
function tellAgain(seed: number): Story["again"] {
  const chance = chanceOf(seed + 1_000_003);
  const agent = chance.pick(["search", "editorial"] as const);
  const others = (["backend", "search", "editorial"] as const).filter((each) => each !== agent);
  const innocents = innocentAgainEdits.map(
    (edit, index): Act => ({ agent: others[index % 2] ?? "backend", edit, guilty: false }),
  );
  const guilty: Act = { agent, edit: guiltyAgainEdit(chance), guilty: true };
  const before = chance.integer(1, innocents.length - 1);
  const told = chance.shuffle(innocents);
  return {
    acts: [...told.slice(0, before), guilty, ...told.slice(before)],
    posts: postsOf(chance, `again-${seed}`),
  };
}

function actsOf(chance: Chance, seed: number, variant: Variant): readonly Act[] {
  const others = chance.shuffle(innocentEdits).slice(0, chance.integer(3, 4));
  const innocents = others.map((edit, index): Act => {
    const agent: CodingAgent =
      index < 2
        ? ((["search", "editorial"] as const)[index] ?? "search")
        : chance.pick(["search", "editorial"] as const);
    return { agent, edit, guilty: false };
  });
  if (variant === "flaky-test") {
    innocents.push({ agent: "editorial", edit: flakyEdit(seed), guilty: false });
  }
  const guilty: Act = { agent: "backend", edit: guiltyEdit(chance), guilty: true };
  const feature: Act = {
    agent: "backend",
    edit: featureEdit(variant === "same-file"),
    guilty: false,
  };
  const before = chance.integer(1, innocents.length - 1);
  return [...innocents.slice(0, before), guilty, feature, ...innocents.slice(before)];
}
