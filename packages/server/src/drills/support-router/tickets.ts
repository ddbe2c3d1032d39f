/**
 * What customers write, told by a seed. Of every 25 tickets two are worded as if they were for another queue, so
 * that no model gets them right, and one is sent a second time. A surge adds terse tickets in capitals, signed
 * with a nickname; of a hundred tickets then eleven have a nickname that holds a word of another queue.
 */
import { type Chance, chanceOf } from "../random.ts";
import { type Queue, queues, sentences, shouts, words } from "./queues.ts";

export const channels = ["mail", "web", "app", "chat"] as const;
export type Channel = (typeof channels)[number];

export interface Ticket {
  readonly id: string;
  readonly customer: string;
  readonly channel: Channel;
  readonly text: string;
  /** Where it belonged, as whoever answers it finds out. */
  readonly queue: Queue;
  readonly isOfSurge: boolean;
}

export interface Surge {
  readonly channel: Channel;
  /** Of a hundred tickets. */
  readonly size: number;
  /** What nicknames end with. */
  readonly endings: readonly [string, ...string[]];
}

export interface Tickets {
  /** The next one; from the first one asked for with a surge, it is one of that time. */
  next(surge: Surge | null): Ticket;
}

export const trapsOfHundred = 11;
const hardOfQuarter = 2;
const quarter = 25;
const customers = 2_000;

type Slot = "plain" | "again" | "hard" | "shout" | "trap";

export function ticketsOf(seed: number): Tickets {
  const chance = chanceOf(seed);
  let slots: Slot[] = [];
  let during: Surge | null = null;
  let count = 0;
  let plain: Ticket | null = null;
  return {
    next(surge) {
      if (slots.length === 0 || surge !== during) slots = slotsOf(chance, surge);
      during = surge;
      const slot = slots.shift() ?? "plain";
      count += 1;
      const id = `T${seed}-${count}`;
      if (slot === "again" && plain !== null) return { ...plain, id };
      const ticket = { id, ...write(chance, slot, surge) };
      if (slot !== "hard") plain = ticket;
      return ticket;
    },
  };
}

/** A hundred of them, the hard ones spread evenly. */
function slotsOf(chance: Chance, surge: Surge | null): Slot[] {
  const rest = 100 - (100 / quarter) * (hardOfQuarter + 1);
  const shouted = surge?.size ?? 0;
  const traps = surge === null ? 0 : trapsOfHundred;
  const others = chance.shuffle<Slot>([
    ...Array.from({ length: traps }, () => "trap" as const),
    ...Array.from({ length: shouted - traps }, () => "shout" as const),
    ...Array.from({ length: rest - shouted }, () => "plain" as const),
  ]);
  const each = quarter - hardOfQuarter - 1;
  return Array.from({ length: 100 / quarter }, (_, index) =>
    chance.shuffle<Slot>([
      "hard",
      "hard",
      "again",
      ...others.slice(index * each, (index + 1) * each),
    ]),
  ).flat();
}

function write(chance: Chance, slot: Slot, surge: Surge | null): Omit<Ticket, "id"> {
  const queue = chance.pick(queues);
  const customer = `c${chance.integer(1, customers)}`;
  if (surge !== null && (slot === "shout" || slot === "trap")) {
    const nickname = nicknameOf(chance, surge, slot === "trap" ? otherThan(chance, queue) : null);
    const text = `${chance.pick(shouts[queue])}${chance.pick([" ", " - ", "!! "])}${nickname}`;
    return { customer, channel: surge.channel, text, queue, isOfSurge: true };
  }
  const worded = slot === "hard" ? otherThan(chance, queue) : queue;
  const text = `${chance.pick(greetings)} ${chance.pick(sentences[worded])}. ${chance.pick(closings)} ${chance.pick(names)} (${orderOf(chance)})`;
  return { customer, channel: chance.pick(channels), text, queue, isOfSurge: false };
}

/** How a ticket is put to a model. */
export function questionOf(text: string) {
  return { messages: [{ role: "user" as const, content: text }] };
}

function otherThan(chance: Chance, queue: Queue): Queue {
  const [first, ...rest] = queues.filter((each) => each !== queue);
  return first === undefined ? queue : chance.pick([first, ...rest]);
}

/** `CARDWOLF77` says nothing of billing, and `MOONWOLF77` nothing at all. */
function nicknameOf(chance: Chance, { endings }: Surge, holds: Queue | null): string {
  const begins = holds === null ? chance.pick(beginnings) : chance.pick(words[holds]).toUpperCase();
  return `${begins}${chance.pick(endings)}${chance.integer(1, 999)}`;
}

function orderOf(chance: Chance): string {
  return `order ${chance.integer(100_000, 999_999)}`;
}

export const endingsKnown = ["WOLF", "KING", "QUEEN", "FOX", "NINJA", "PANDA", "GHOST"] as const;
const beginnings = ["MOON", "FROST", "PIXEL", "SHADOW", "TURBO", "LUNA", "BLAZE", "COSMO"] as const;
const greetings = ["Hello,", "Good morning,", "Hi there,", "Dear team,"] as const;
const closings = ["Thanks,", "Kind regards,", "Yours,", "Please help,"] as const;
const names = ["Anna", "Jonas", "Mira", "Okan", "Lea", "Piet", "Sofia", "Tom"] as const;
