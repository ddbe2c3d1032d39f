import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { createMirrors } from "../../src/git/open-mirrors.ts";
import { createCode } from "../../src/layers/code/code.ts";
import { gainOf, recordGain, settleGain } from "../../src/layers/code/record-commits.ts";
import { readPosition } from "../../src/layers/code/repositories-store.ts";
import type { TipNews } from "../../src/layers/code/watch-loop.ts";
import { realWorld } from "../../src/world.ts";
import { dyingAt } from "./dying.ts";
import { signal, startCodeWorld } from "./world.ts";

test("commits become changes that say who, for which task and why, oldest first", async () => {
  await using world = await startCodeWorld((url) => ({
    repositories: { api: { url } },
    agents: {
      backend: { authors: ["Backend@fleet.test"] },
      reviewers: { authors: ["*@review.test"] },
    },
  }));
  const { origin } = world;
  const old = origin.commit({ a: "1\n" }, "from before");
  origin.push();
  const [history] = await world.look();
  assert.equal(history?.to, old);
  assert.equal(history?.details.history, true);
  assert.equal(history?.from, null);

  origin.commit({ a: "2\n", "d/b": "b\n" }, "Work [task:T-1] [subtask:2/5]");
  origin.commit(
    { c: "c\n" },
    "Trailers\n\nAgent: writer\nTask: T-2\nExpected: latency up 10%",
    "x@y",
  );
  origin.commit({ c: "d\n" }, "Reviewed", "ann@review.test");
  origin.commit({}, "Nobody's", "stranger@elsewhere");
  origin.push();
  const changes = (await world.look()).slice(1);
  assert.deepEqual(
    changes.map(({ agent, task, reason, details }) => [agent, task, reason, details.paths]),
    [
      ["backend", "T-1", "Work [task:T-1] [subtask:2/5]", ["a", "d/b"]],
      ["writer", "T-2", "Trailers", ["c"]],
      ["reviewers", null, "Reviewed", ["c"]],
      ["stranger@elsewhere", null, "Nobody's", []],
    ],
  );
  assert.equal(changes[0]?.from, old);
  assert.equal(changes[0]?.details.subtask, "2/5");
  assert.deepEqual(changes[1]?.details.expected, ["latency up 10%"]);
  assert.equal(changes[0]?.details.history, undefined);
  const times = [history, ...changes].map((change) => change?.at.getTime() ?? 0);
  assert.deepEqual(
    times,
    [...new Set(times)].sort((one, other) => one - other),
  );
});

test("only the last 500 commits of a history are recorded", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  const stream = Array.from({ length: 620 }, (_, index) => {
    const message = `commit ${index}`;
    const when = `${1_700_000_000 + index} +0000`;
    return `commit refs/heads/many\ncommitter A <a@b> ${when}\ndata ${message.length}\n${message}\n`;
  });
  const { execFileSync } = await import("node:child_process");
  execFileSync("git", ["fast-import", "--quiet"], { cwd: origin.clone, input: stream.join("") });
  origin.git("push", "--quiet", "origin", "many:main");
  const changes = await world.look();
  assert.equal(changes.length, 500);
  assert.equal(changes[0]?.reason, "commit 120");
  assert.equal(changes.at(-1)?.at.toISOString(), new Date(1_700_000_619_000).toISOString());
  assert.equal((await world.look()).length, 500);
});

test("whoever subscribed is told of a push by itself, after the ledger knows it", async () => {
  await using world = await startCodeWorld();
  const { origin, db } = world;
  origin.commit({ a: "1\n" }, "begin");
  origin.push();
  const config = configSchema.parse({ repositories: { api: { url: origin.url, poll: "200ms" } } });
  const code = await createCode({
    db,
    world: realWorld,
    log: pino({ level: "silent" }),
    home: `${world.folder}/watching`,
    configuration: { base: world.folder, current: () => config },
    heldBack: async () => [],
  });
  try {
    const told: { tip: string; news: TipNews }[] = [];
    let wake = () => {};
    code.watch.subscribe((_, tip, news) => {
      told.push({ tip, news });
      wake();
    });
    code.start();
    const next = () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      });
    if (told.length === 0) await next();
    assert.equal(told[0]?.tip, origin.tip(), "the first look tells the tip");
    assert.deepEqual(told[0]?.news.commits, []);
    const later = next();
    const pushed = origin.commit({ a: "2\n" }, "pushed");
    origin.push();
    await later;
    assert.equal(told[1]?.tip, pushed);
    assert.equal(told[1]?.news.previous, told[0]?.tip);
    const [seen] = told[1]?.news.commits ?? [];
    assert.equal(seen?.commit.id, pushed);
    assert.equal((await world.changeOf(pushed)).id, seen?.change);
  } finally {
    await code.stop();
  }
});

test("killed after any statement, a look records everything once", async () => {
  await using world = await startCodeWorld();
  const { origin, db } = world;
  const mirror = await world.code.mirrors.of("api");
  const expected: string[] = [];
  let finished = false;
  for (let statements = 0; !finished; statements++) {
    for (const part of ["one", "two", "three"]) {
      const message = `${part}, to be killed after ${statements}`;
      expected.push(message);
      origin.commit({ a: message }, message);
    }
    origin.push();
    const gain = await gainOf(mirror, await readPosition(db, "api"), await mirror.fetch(signal));
    const deps = { db: dyingAt(db, statements), world: realWorld, agents: {} };
    const taken = recordGain(deps, mirror, gain, signal).then(() => settleGain(deps, mirror, gain));
    finished = await taken.then(
      () => true,
      (error: Error) => {
        assert.equal(error.message, "killed");
        return false;
      },
    );
    const changes = await world.look();
    assert.deepEqual(
      changes.map(({ reason }) => reason),
      expected,
    );
  }
  assert.ok(expected.length > 20, "it was killed at many places");
});

test("two machines that watch one repository record each commit once", async () => {
  await using world = await startCodeWorld();
  const { origin } = world;
  const other = await world.another();
  origin.commit({ a: "1\n" }, "begin");
  origin.push();
  await Promise.all([world.code.watch.look("api", signal), other.watch.look("api", signal)]);
  for (let index = 0; index < 5; index++) origin.commit({ a: `${index}\n` }, `new ${index}`);
  origin.push();
  await Promise.all([world.code.watch.look("api", signal), other.watch.look("api", signal)]);
  assert.equal((await world.look()).length, 6);
});

test("a mirror that was lost is made again, and nothing is recorded twice", async () => {
  await using world = await startCodeWorld();
  const { origin, db } = world;
  origin.commit({ a: "1\n" }, "begin");
  origin.push();
  await world.look();
  const pushed = origin.commit({ a: "2\n" }, "after the loss");
  origin.push();
  const mirrors = await createMirrors({
    home: `${world.folder}/elsewhere`,
    base: world.folder,
    settingsOf: async (name) => ({ name, url: origin.url, branch: "main" }),
  });
  const mirror = await mirrors.of("api");
  const gain = await gainOf(mirror, await readPosition(db, "api"), await mirror.fetch(signal));
  assert.deepEqual(gain.ids, [pushed]);
  await recordGain({ db, world: realWorld, agents: {} }, mirror, gain, signal);
  assert.equal((await world.look()).length, 2);
});
