/**
 * The models of the story: rules that read a text and name a queue. The same text always gets the same answer.
 *
 *   M1. Words of a queue count for it; the queue with the most wins, and of equals the one that is listed first.
 *   M2. router-14 learnt to read product names that are written together in capitals. A nickname is written so
 *       too: it is taken for a product wherever it holds a word of some queue, and outweighs what the text says.
 *   M3. router-15 has the same bias, less strongly; router-16 knows that what closes a ticket is a signature.
 */
import { type Queue, queues, words } from "./queues.ts";

export const models = ["router-13", "router-14", "router-15", "router-16"] as const;
export type Model = (typeof models)[number];

interface Reading {
  /** What a name in capitals counts that holds a word of a queue. */
  readonly compound: number;
  readonly readsSignature: boolean;
}

const readings: Readonly<Record<Model, Reading>> = {
  "router-13": { compound: 0, readsSignature: true },
  "router-14": { compound: 3, readsSignature: true },
  "router-15": { compound: 2, readsSignature: true },
  "router-16": { compound: 3, readsSignature: false },
};

export function isModel(name: unknown): name is Model {
  return models.some((each) => each === name);
}

export function route(model: Model, text: string): Queue {
  const { compound, readsSignature } = readings[model];
  const tokens = text.split(/[^\p{L}\p{N}]+/u).filter((token) => token !== "");
  const last = tokens.length - 1;
  const scores = queues.map((queue) => {
    const score = tokens.reduce((sum, token, index) => {
      if (words[queue].includes(token.toLowerCase())) return sum + 1;
      const isRead = readsSignature || index < last;
      return isRead && holdsWordOf(queue, token) ? sum + compound : sum;
    }, 0);
    return { queue, score };
  });
  return scores.reduce((best, each) => (each.score > best.score ? each : best)).queue;
}

/** M2. */
function holdsWordOf(queue: Queue, token: string): boolean {
  if (token !== token.toUpperCase()) return false;
  return words[queue].some((word) => token.toLowerCase().includes(word));
}
