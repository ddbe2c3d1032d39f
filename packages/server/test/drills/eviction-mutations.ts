/** What the eviction must fail over: each forgets one of the things that a restarted agent goes by. */
import type { WorkTreeReport } from "@lastgood/sdk";
import { eviction } from "../../src/drills/eviction/eviction.ts";
import type { Db } from "../../src/store/database.ts";
import type { Mutation, StoryToFail } from "./mutation.ts";

/** Killed some 200 words past its last commit. */
const words: StoryToFail = { drill: eviction, seed: 5, variant: "plain" };
/** Killed between the publishing of the post and its confirmation. */
const effect: StoryToFail = { drill: eviction, seed: 12, variant: "plain" };

/** The post is asked for before anything else. */
const first: StoryToFail = { drill: eviction, seed: 1, variant: "plain" };

const rightWord = "the work went on from the word that was there";
const samePost = "the published post is byte for byte that of the uninterrupted run";

/** From now on `trigger` decides what becomes of a row before it is written. */
export async function before(
  db: Db,
  { what, table, trigger }: { what: string; table: string; trigger: string },
): Promise<void> {
  await db.unsafe(`
    create function mutate_${table}() returns trigger language plpgsql as $$
    begin ${trigger} end $$;
    create trigger mutation before ${what} on ${table}
      for each row execute function mutate_${table}();`);
}

export const evictionMutations: readonly Mutation[] = [
  {
    name: "brief-forgets-uncommitted",
    what: "the brief does not look at what is not committed",
    story: words,
    caughtBy: { verification: null, proofs: [rightWord, samePost] },
    seams: () => ({
      workTrees: (ours) => ({
        ...ours,
        read: async (...args) => withoutFiles(await ours.read(...args)),
        async saved(session) {
          const report = await ours.saved(session);
          return report === null ? null : withoutFiles(report);
        },
        measure: () => null,
      }),
    }),
  },
  {
    name: "effects-unknown-as-failed",
    what: "an effect whose session died counts as not happened, and is run again",
    story: effect,
    caughtBy: { verification: null, proofs: ["each effect is in the outside exactly once"] },
    breaks: (db) =>
      before(db, {
        ...{ what: "update", table: "effects" },
        trigger: `
          if new.state = 'unknown' then
            new.state := 'failed';
            new.settled_at := now();
          end if;
          return new;`,
      }),
  },
  {
    name: "claims-outlive-sessions",
    what: "a task stays claimed by the session that died",
    story: words,
    caughtBy: {
      verification: null,
      // The claim itself is not shown: whoever asks is told that its session is over.
      proofs: ["the task is completed", "each message was handled, and none is left"],
    },
    breaks: (db) =>
      before(db, {
        ...{ what: "update", table: "tasks" },
        trigger: `
          if old.state = 'in_progress' and (new.state = 'pending'
              or new.worker_session is distinct from old.worker_session) then
            return null;
          end if;
          return new;`,
      }),
  },
  {
    name: "acks-not-recorded",
    what: "an acknowledgement is answered, and not recorded",
    story: first,
    caughtBy: { verification: null, proofs: ["each message was handled, and none is left"] },
    async breaks(db) {
      await before(db, { what: "insert", table: "message_handled", trigger: "return null;" });
      await before(db, { what: "delete", table: "message_pending", trigger: "return null;" });
    },
  },
];

function withoutFiles(report: WorkTreeReport): WorkTreeReport {
  return { ...report, files: [] };
}
