import assert from "node:assert/strict";
import { Agent, get, request as requestOf } from "node:http";
import { test } from "node:test";
import { identify } from "../../src/process-group.ts";
import { until } from "../support/until.ts";
import { answerOf, type ServiceWorld, startServiceWorld, untilServes } from "./service-world.ts";

const order = { revision: null, reason: null, override: false, actor: "token:test" };

test("a blue/green deploy under load loses no request and ends on the new revision", async () => {
  await using world = await startServiceWorld();
  const first = await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const load = startLoad(world);
  await load.answered(50);
  const second = await world.behave({ health: 200 });
  const deployed = await world.runtime.services.deploy(world.service, order);
  await load.answered(50);
  const answers = await load.stop();
  assert.deepEqual(load.failures, []);
  assert.equal(deployed.revision, second);
  assert.deepEqual([...new Set(answers)].sort(), [first, second].sort());
  assert.equal(answers.at(-1), second);
});

test("a request in flight finishes on the old instance, which then ends", async () => {
  await using world = await startServiceWorld();
  const first = await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const { pid } = await world.runtime.services.show(world.service);
  const slow = answerOf(world, "/slow?ms=600");
  await world.behave({ health: 200 });
  await world.runtime.services.deploy(world.service, order);
  assert.equal(await slow, first);
  await until("the old instance to end", async () => (identify(pid ?? 0) === null ? true : null));
});

test("a request that outlasts the drain is cut, and the old instance ends", async () => {
  await using world = await startServiceWorld({ runtime: { drain: "200ms" } });
  await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const slow = fetch(`${world.url}/slow?ms=30000`);
  const second = await world.behave({ health: 200 });
  await world.runtime.services.deploy(world.service, order);
  assert.equal((await slow).status, 502);
  assert.equal(await answerOf(world), second);
});

test("a new instance that does not become healthy leaves the old one serving and says why", async () => {
  await using world = await startServiceWorld({ runtime: { ready: "4s" } });
  const first = await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  for (const [behaviour, says] of [
    [{ exitAtStart: "no schema" }, /exited with code 3/],
    [{ health: 500 }, /answered 500 within 4000 ms/],
    [{ hangs: true }, /did not answer within 4000 ms/],
  ] as const) {
    await world.behave(behaviour);
    await assert.rejects(world.runtime.services.deploy(world.service, order), {
      code: "not_healthy",
      message: says,
    });
    assert.equal(await answerOf(world), first);
  }
  const shown = await world.runtime.services.show(world.service);
  assert.equal(shown.revision, first);
  assert.equal(shown.unhealthy, null);
  assert.match(shown.failure?.because ?? "", /did not answer/);
  assert.deepEqual(
    shown.events.map((each) => each.event),
    ["deploy.failed", "deploy.failed", "deploy.failed"],
  );
  assert.match(String(shown.events.at(-1)?.details.output), /cannot start: no schema/);
  assert.match(await world.runtime.services.logs(world.service, 65_536), /no schema/);
});

test("a hung old instance is ended when its drain is over", async () => {
  await using world = await startServiceWorld({ runtime: { drain: "300ms" } });
  await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const { pid } = await world.runtime.services.show(world.service);
  process.kill(pid ?? 0, "SIGSTOP");
  const waiting = fetch(world.url);
  const second = await world.behave({ health: 200 });
  await world.runtime.services.deploy(world.service, order);
  assert.equal((await waiting).status, 502);
  assert.equal(await answerOf(world), second);
  assert.equal(identify(pid ?? 0), null);
});

test("bodies, chunks and repeated headers go through the front as they came", async () => {
  await using world = await startServiceWorld();
  const revision = await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const big = "x".repeat(1_000_000);
  const sent = await fetch(world.url, { method: "POST", body: big });
  assert.equal(await sent.text(), `${revision} ${big}`);
  const chunked = await new Promise<string>((resolve, reject) => {
    const request = requestOf(world.url, { method: "POST" }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.once("end", () => resolve(text));
    });
    request.once("error", reject);
    request.write("one ");
    request.end("two");
  });
  assert.equal(chunked, `${revision} one two`);
  assert.equal((await fetch(world.url, { method: "HEAD" })).status, 200);
});

test("an instance gets a clean environment: what is configured, and what is passed on by name", async () => {
  await using world = await startServiceWorld({
    runtime: { env: { DATABASE_URL: "postgres://declared" }, envFrom: ["PASSED_ON"] },
  });
  const revision = await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const env = JSON.parse(await answerOf(world, "/env")) as Record<string, string>;
  assert.equal(env.REVISION, revision);
  assert.equal(env.DATABASE_URL, "postgres://declared");
  assert.equal(env.PASSED_ON, "passed");
  assert.equal(env.NOT_PASSED_ON, undefined);
});

test("served files that differ from the revision are drift; what the service writes is not", async () => {
  await using world = await startServiceWorld();
  await world.behave({});
  await world.runtime.services.deploy(world.service, order);
  const { readdir, rm, writeFile } = await import("node:fs/promises");
  const revisions = `${world.folder}/home/services/content-api/revisions`;
  const [served = ""] = await readdir(revisions);
  await writeFile(`${revisions}/${served}/written-by-the-service.txt`, "mine");
  assert.deepEqual((await world.runtime.services.show(world.service)).drift, []);
  await writeFile(`${revisions}/${served}/server.mjs`, "// edited in place");
  await rm(`${revisions}/${served}/behaviour.mjs`);
  assert.deepEqual((await world.runtime.services.show(world.service)).drift, [
    "behaviour.mjs is missing",
    "server.mjs differs",
  ]);
});

test("a stopped service stays stopped until it is deployed again", async () => {
  await using world = await startServiceWorld();
  const first = await world.behave({});
  world.loop();
  await untilServes(world, first);
  await world.runtime.services.stop(world.service);
  await assert.rejects(answerOf(world));
  const next = await world.behave({ health: 200 });
  assert.equal((await world.runtime.services.show(world.service)).state, "stopped");
  await world.runtime.services.deploy(world.service, order);
  assert.equal(await answerOf(world), next);
});

/** Six clients that ask without pause, half of them over connections that they keep. */
function startLoad({ port }: ServiceWorld) {
  const failures: string[] = [];
  const answers: string[] = [];
  let stopped = false;
  const keeping = new Agent({ keepAlive: true, maxSockets: 3 });
  const once = (agent: Agent | false) =>
    new Promise<string>((resolve, reject) => {
      get({ host: "127.0.0.1", port, agent }, (answer) => {
        let text = "";
        answer.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        answer.once("end", () =>
          answer.statusCode === 200 ? resolve(text) : reject(new Error(`${answer.statusCode}`)),
        );
      }).once("error", reject);
    });
  const clients = [keeping, keeping, keeping, false, false, false].map(async (agent) => {
    while (!stopped) {
      await once(agent as Agent | false).then(
        (text) => answers.push(text),
        (error: unknown) => failures.push(String(error)),
      );
    }
  });
  return {
    failures,
    async answered(more: number) {
      const goal = answers.length + more;
      await until(`${more} answers`, async () => (answers.length >= goal ? true : null));
    },
    async stop() {
      stopped = true;
      await Promise.all(clients);
      keeping.destroy();
      return answers;
    },
  };
}
