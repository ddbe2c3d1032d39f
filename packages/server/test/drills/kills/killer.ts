/**
 * Kills workers again and again, and starts others in their place. Each agent has a lane of its own:
 *
 *   K1. A worker is killed after it has said a number of things that the seed chose, uniformly over its start and
 *       somewhat more than one job, and then at a moment of the seed's within the next milliseconds.
 *   K2. The next one starts at once, or when the dead one's lease is over, or while the one before still lives.
 *   K3. An agent that is parked since it died too often is released: somebody knows why it dies.
 */

import { setTimeout as pause } from "node:timers/promises";
import type { Lastgood } from "@lastgood/sdk";
import { type Chance, chanceOf } from "../../../src/drills/random.ts";
import { until } from "../../../src/drills/until.ts";
import type { Desk } from "./desk.ts";
import { type Life, startLife } from "./life.ts";
import type { WorkerBriefing } from "./worker.ts";

export interface Killing {
  /** Every worker that there was, in the order of its start. */
  readonly lives: readonly Life[];
  kills(): number;
  /** How often an agent was parked, and let go again. */
  released(): number;
  /** Kills until so many were, and leaves a living worker for each agent. */
  killUntil(kills: number): Promise<void>;
  /** Brings back whoever is not there, such as after it was parked. */
  keepAlive(): Promise<void>;
  stopAll(): Promise<void>;
}

export interface KillerOptions {
  readonly client: Lastgood;
  readonly desk: Desk;
  readonly seed: number;
  readonly leaseMs: readonly [number, number];
  readonly briefings: readonly Omit<WorkerBriefing, "leaseMs">[];
  readonly signal: AbortSignal;
}

/** What one says until it has read its brief, and during one job: about so many lines. */
const linesInStart = 6;
const linesInJob = 40;
const afterLineMsMax = 4;
/** Work that is there before it is done: nobody waits for the desk. */
const givenAhead = 3;
const leaseOverMsMax = 30_000;

export function createKiller(options: KillerOptions): Killing {
  const { client, desk, briefings, seed, signal, leaseMs } = options;
  const lives: Life[] = [];
  let kills = 0;
  let wanted = 0;
  let released = 0;

  function start(briefing: Omit<WorkerBriefing, "leaseMs">, chance: Chance): Life {
    const life = startLife({ ...briefing, leaseMs: chance.integer(...leaseMs) });
    lives.push(life);
    return life;
  }

  async function kill(life: Life): Promise<void> {
    if (await life.kill()) kills += 1;
  }

  /** K3. */
  async function release(life: Life): Promise<void> {
    if (!wasParked(life)) return;
    await client.releaseAgent(life.agent, "it is killed on purpose");
    released += 1;
  }

  async function keepWork(agent: string): Promise<void> {
    const mine = (id: string) => id.includes(`-${agent}-`);
    const done = new Set(
      lives
        .filter((life) => life.agent === agent)
        .flatMap(({ lines }) => lines.flatMap((line) => (line.say === "done" ? [line.of] : []))),
    );
    const given = desk.given().filter(mine);
    for (let ahead = given.filter((id) => !done.has(id)).length; ahead < givenAhead; ahead++) {
      await desk.give(agent);
    }
  }

  async function lane(briefing: Omit<WorkerBriefing, "leaseMs">, index: number): Promise<void> {
    const chance = chanceOf(seed * 1_013 + index);
    let life = start(briefing, chance);
    while (kills < wanted && !signal.aborted) {
      await keepWork(briefing.agent);
      await life.hasSaid(chance.integer(0, linesInStart + linesInJob));
      await pause(chance.next() * afterLineMsMax);
      const how = chance.next();
      // K2. Two at once: the older one is fenced while it works, and may die of it or of us.
      if (how < 0.2 && !life.isOver()) {
        const older = life;
        life = start(briefing, chance);
        await life.hasSaid(chance.integer(0, linesInStart));
        await kill(older);
        continue;
      }
      await kill(life);
      await release(life);
      const session = life.session();
      if (how > 0.7 && session !== null) await leaseOver(session);
      life = start(briefing, chance);
    }
  }

  async function leaseOver(session: string): Promise<void> {
    const isEnded = async () => ((await client.sessionOf(session)).state === "ended" ? true : null);
    await until(`the death of ${session} to be noticed`, isEnded, {
      ...{ withinMs: leaseOverMsMax, everyMs: 50, signal },
    });
  }

  return {
    lives,
    kills: () => kills,
    released: () => released,
    async killUntil(count) {
      wanted = count;
      await Promise.all(briefings.map(lane));
    },
    async keepAlive() {
      for (const [index, briefing] of briefings.entries()) {
        const life = lives.findLast(({ agent }) => agent === briefing.agent);
        if (life === undefined || !life.isOver()) continue;
        await release(life);
        start(briefing, chanceOf(seed + index));
      }
    },
    async stopAll() {
      await Promise.all(lives.filter((life) => !life.isOver()).map((life) => life.stop()));
    },
  };
}

function wasParked({ lines }: Life): boolean {
  const last = lines.at(-1);
  return last?.say === "ended" && last.why === "parked";
}
