import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openDatabase } from "../../src/store/database.ts";
import { findProcess } from "../../src/store/process-table.ts";
import { until } from "../support/until.ts";
import { makeHome, type TestHome } from "./home.ts";
import { type Opener, type Said, startOpener } from "./opener.ts";

/** A small generator of its own, so that a seed printed by a failure gives the same moments again. */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const seed = Number(process.env.LASTGOOD_TEST_SEED ?? Date.now() % 1_000_000);
const rows = (told: readonly Said[]) =>
  told.flatMap((each) => (each.said === "row" ? [`${each.writer}:${each.number}`] : []));

async function requireAll(home: TestHome, told: readonly string[], what: string): Promise<void> {
  await using server = await home.open();
  const db = openDatabase(server.url);
  try {
    const found = await db<{ writer: number; number: number }[]>`
      select writer, number from acknowledged`;
    const present = new Set(found.map((row) => `${row.writer}:${row.number}`));
    const lost = told.filter((row) => !present.has(row));
    assert.deepEqual(lost, [], `${what} lost acknowledged rows (LASTGOOD_TEST_SEED=${seed})`);
  } finally {
    await db.end();
  }
}

/** Waits for a few more rows, and then for as long as is said: however slow the machine, some are written. */
async function writeFor(opener: Opener, milliseconds: number): Promise<void> {
  const before = rows(opener.told).length;
  await until("rows", () => rows(opener.told).length > before + 5);
  await delay(milliseconds);
}

test("no acknowledged write is lost when the server, or it and PostgreSQL, are killed with -9", async () => {
  await using home = await makeHome();
  const random = chance(seed);
  const told: string[] = [];
  for (let round = 0; round < 4; round++) {
    await using opener = startOpener(home.path, "write");
    const { postgres } = await opener.heard("ready");
    await writeFor(opener, 50 + random() * 250);
    // Which dies first is chance too: what one acknowledged in between must survive the other.
    const both = round % 2 === 1;
    if (both && random() < 0.5) process.kill(postgres, "SIGKILL");
    await opener.kill("SIGKILL");
    if (both && (await findProcess(postgres)) !== null) process.kill(postgres, "SIGKILL");
    told.push(...rows(opener.told));
    if (both) {
      await until("PostgreSQL's end", async () =>
        (await findProcess(postgres)) === null ? true : null,
      );
    }
    await requireAll(home, told, `round ${round}`);
  }
  assert.ok(told.length > 20, `only ${told.length} rows were written`);
});

test("no acknowledged write is lost when PostgreSQL is killed with -9 under a server that goes on", async () => {
  await using home = await makeHome();
  const random = chance(seed + 1);
  await using opener = startOpener(home.path, "write");
  let { postgres } = await opener.heard("ready");
  for (let round = 0; round < 3; round++) {
    await writeFor(opener, 50 + random() * 150);
    const killed = postgres;
    process.kill(killed, "SIGKILL");
    postgres = await until("its successor", async () => {
      const pid = await recordedPid(home);
      return pid === killed ? null : pid;
    }).catch(async (cause: unknown) => {
      const log = await readFile(join(home.path, "postgres.log"), "utf8");
      throw new Error(`killed ${killed} in round ${round}; ${log.slice(-3_000)}`, { cause });
    });
    const before = rows(opener.told).length;
    await until("rows in the successor", async () =>
      rows(opener.told).length > before + 10 ? true : null,
    );
  }
  await opener.kill("SIGTERM");
  await requireAll(home, rows(opener.told), "a restarted PostgreSQL");
});

async function recordedPid(home: TestHome): Promise<number | null> {
  const file = join(home.path, "data/postmaster.pid");
  const pid = Number.parseInt(await readFile(file, "utf8").catch(() => ""), 10);
  return Number.isNaN(pid) ? null : pid;
}
