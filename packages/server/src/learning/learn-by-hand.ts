/**
 * Checks from a rollback that no incident asked for: a person took a release back, and asks for what its failures
 * tell. They are made as an incident's are.
 *
 *   H1. Of the same releases one is under way: who asks again meanwhile hears of that one.
 *   H2. A check that was learned of the two releases, and is still in the bank, is not made twice.
 *   H3. It lives in this process: one that a restart broke off is asked for again.
 */
import { isDeepStrictEqual } from "node:util";
import type { Check, Learning } from "@lastgood/sdk";
import type { Bank } from "../checks/bank.ts";
import { Fault } from "../fault.ts";
import type { Db } from "../store/database.ts";
import { newId, type World } from "../world.ts";
import { acceptedCheckOf, saveCheck } from "./learning-store.ts";
import type { ReleasePair } from "./propose-check.ts";
import { learnFromRelease, type ReleaseWorks } from "./release-check.ts";
import { rolledBack } from "./rolled-back.ts";

export interface ByHandDeps {
  readonly db: Db;
  readonly world: World;
  readonly releaseWorks: ReleaseWorks;
  readonly bank: Pick<Bank, "find">;
}

export interface LearnOrder {
  readonly environment: string;
  readonly artifact: string;
  readonly rollout: string | null;
}

export interface ByHand {
  /** Begins, or finds what is under way. Faults as `rolledBack`, and `too_many`. */
  begin(order: LearnOrder): Promise<Learning>;
  /** As it is when it ended, or after so long. Faults `not_found`. */
  follow(id: string, waitMs: number): Promise<Learning>;
  stop(): Promise<void>;
}

const learnMsMax = 120_000;
const atOnceMax = 4;
const keptMax = 100;

interface Kept {
  readonly pairs: readonly ReleasePair[];
  readonly ended: Promise<void>;
  learning: Learning;
}

export function createLearnByHand(deps: ByHandDeps): ByHand {
  const { db, world } = deps;
  const kept = new Map<string, Kept>();
  const stopping = new AbortController();
  const running = () => [...kept.values()].filter(({ learning }) => learning.state === "running");

  async function begin(order: LearnOrder): Promise<Learning> {
    const pairs = await rolledBack(db, order, order.rollout);
    const same = running().find((each) => isDeepStrictEqual(each.pairs, pairs));
    if (same !== undefined) return same.learning;
    if (running().length >= atOnceMax) {
      throw new Fault(
        "too_many",
        `${atOnceMax} are being learned from already, and each asks two releases: try again when one of them has ended.`,
      );
    }
    const id = newId<string>(world, "lrn");
    const { environment, artifact } = order;
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(learnMsMax)]);
    const begun = { id, environment, artifact, state: "running", checks: [], fault: null } as const;
    const one: Kept = { pairs, learning: begun, ended: learnAll(deps, pairs, signal).then(end) };
    kept.set(id, one);
    for (const [old, { learning }] of kept) {
      if (kept.size <= keptMax) break;
      if (learning.state !== "running") kept.delete(old);
    }
    return begun;

    function end(made: Pick<Learning, "checks" | "fault">): void {
      one.learning = { ...begun, ...made, state: "ended" };
    }
  }

  return {
    begin,
    async follow(id, waitMs) {
      const one = kept.get(id);
      if (one === undefined) {
        throw new Fault(
          "not_found",
          `Nothing is known of ${id.slice(0, 80)}: what was under way ended with its server. Ask again with \`lastgood checks learn\`.`,
        );
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, waitMs);
      await Promise.race([one.ended, promise]);
      clearTimeout(timer);
      return one.learning;
    },
    async stop() {
      stopping.abort(new Error("the server stops"));
      await Promise.all([...kept.values()].map(({ ended }) => ended));
    },
  };
}

/** What went wrong is told to whoever follows: the check of one pair is made whatever becomes of another. */
async function learnAll(
  deps: ByHandDeps,
  pairs: readonly ReleasePair[],
  signal: AbortSignal,
): Promise<Pick<Learning, "checks" | "fault">> {
  const checks: Check[] = [];
  const faults: string[] = [];
  for (const pair of pairs) {
    try {
      checks.push(await learnOne(deps, pair, signal));
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
    }
  }
  return { checks, fault: faults.length === 0 ? null : faults.join("; ").slice(0, 2_000) };
}

async function learnOne(deps: ByHandDeps, pair: ReleasePair, signal: AbortSignal): Promise<Check> {
  const { db, world, releaseWorks, bank } = deps;
  const known = await acceptedCheckOf(db, pair);
  if (known !== null && (await isInBank(bank, known))) {
    const because = `it was learned before (${known.because}): edit or remove its file to have another`;
    return { ...known, because };
  }
  const lesson = { pair, incident: null, segment: null };
  const check = await learnFromRelease(releaseWorks, world, lesson, signal);
  await saveCheck(db, check, world.now());
  return check;
}

/** H2. Its name is the last word of the command that runs it. */
async function isInBank(bank: Pick<Bank, "find">, { command }: Check): Promise<boolean> {
  try {
    await bank.find(command.at(-1) ?? "");
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code === "not_found") return false;
    throw error;
  }
}
