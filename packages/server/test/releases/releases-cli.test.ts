import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lastgood, type Said } from "../support/lastgood.ts";
import { paste } from "../support/pasted.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { artifact, production, startReleases } from "./world.ts";

async function typist(server: TestServer) {
  const env = {
    LASTGOOD_URL: server.lastgood.url,
    LASTGOOD_TOKEN: await server.tokenAs("operator"),
  };
  return (line: string, input = ""): Promise<Said> => lastgood(line.split(" "), { env, input });
}

test("what docs/releases.md says can be pasted, line by line", async () => {
  await using server = await startServer();
  const said = await paste("docs/releases.md", server);
  assert.match(said, /customer-service in production: 2\.0\.3 since epoch 4 \(2\.1\.0 before\)/);
  assert.match(said, /"key":"customer-service","value":"2\.0\.3","variant":"2\.0\.3"/);
  assert.match(said, /worker-1 +token:operator +4/);
  assert.match(said, /2 of 2 releases were new, 1 of 1 pin moved/);
  const { client } = server;
  const { shares } = await client.pin(production, "greeting");
  assert.deepEqual(shares, [{ version: "2", share: 100 }]);
  const { content } = await client.release(artifact, "2.0.3");
  assert.equal(content, "Refund up to 500 without asking.\n");
  assert.deepEqual((await client.pinConsumers(production)).consumers, []);
});

test("what is typed wrong is refused with what to write instead, and moves nothing", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const type = await typist(server);
  await server.client.deployRelease(production, artifact, { version: "1.0.0" });
  const rows: readonly (readonly [string, number, RegExp])[] = [
    [`deploy ${artifact}`, 2, /no version is named/],
    [`deploy ${artifact}:latest`, 2, /another release tomorrow.*bad_input/],
    [`deploy ${artifact}:^2.0.0`, 2, /is a range/],
    [`deploy prompt ${artifact}:2.0.0`, 2, /customer-service is a spec, not a prompt/],
    [`deploy thing ${artifact}:2.0.0`, 2, /is not one release.*kinds: spec/],
    [`deploy ${artifact}:9.0.0`, 3, /no release customer-service:9\.0\.0/],
    [`deploy ${artifact}:2.0.0 --percent 0`, 2, /percent/],
    [`deploy ${artifact}:2.0.0 --percent half`, 2, /whole number from 1 to 100/],
    [`deploy ${artifact}:2.0.0 --share 2.0.0=50 1.0.0=49`, 2, /add up to 99/],
    [`deploy ${artifact}:2.0.0 --share 2.0.0`, 2, /is not a share/],
    [`deploy ${artifact}:2.0.0 --expect 7`, 5, /version_conflict/],
    [`publish ${artifact}:2.0.0 --content nowhere.md`, 3, /nowhere\.md cannot be read/],
    [`publish ${artifact}:2.0.0`, 2, /one of --content and --reference/],
    [`publish ${artifact}:2.0.0 --reference x`, 5, /release_exists/],
    [`publish ${artifact}:3.0.0 --reference x --score accuracy`, 2, /write accuracy=0\.92/],
    ["rollback router", 3, /no artifact router/],
    [`rollback ${artifact}`, 5, /nothing to go back to/],
    [`releases retire ${artifact}:1.0.0 --because tidy`, 5, /never retired/],
    ["pins show router", 3, /not pinned/],
    ["import langfuse nowhere.json", 3, /cannot be read/],
  ];
  for (let at = 0; at < rows.length; at += 4) {
    await Promise.all(
      rows.slice(at, at + 4).map(async ([line, code, says]) => {
        const said = await type(line);
        assert.equal(said.code, code, `${line}: ${said.err}${said.out}`);
        assert.match(said.err, says, line);
        assert.doesNotMatch(said.err, /\n\s+at /, line);
      }),
    );
  }
  assert.equal((await server.client.pin(production, artifact)).epoch, 1);
});

test("a deployment prints who follows it, and as JSON one value", async () => {
  await using server = await startReleases(["1.0.0", "2.0.0"]);
  const { client } = server;
  const type = await typist(server);
  await client.deployRelease(production, artifact, { version: "1.0.0" });
  const agent = await server.clientAs("agent", "answerer");
  await agent.pollPins(production, "frozen", { epoch: 1 });
  const deployed = await type(`deploy ${artifact}:2.0.0 --json`);
  const { epoch, consumers, already } = JSON.parse(deployed.out) as Record<string, unknown>;
  assert.deepEqual([epoch, already], [2, false]);
  assert.deepEqual(consumers, { acknowledged: 0, stragglers: 1 });
  const again = await type(`deploy ${artifact}:2.0.0`);
  assert.match(again.out, /2\.0\.0, as it was\.\n0 of 1 consumers follow it\.\nSee who does not/);
  const shown = await type(`pins show ${artifact}`);
  assert.match(shown.out, /a rollback goes to: 1\.0\.0/);
  assert.match(shown.out, /frozen +answerer +1 /);
  assert.match(shown.out, /2 +\S+ +deploy +2\.0\.0 +token:operator/);
});

test("the list of releases fits a terminal, whatever they are called and however often they were scored", async () => {
  await using server = await startServer();
  const { client, lastgood: running } = server;
  await client.declareArtifact("router", { kind: "spec", inFlight: "switch" });
  const scores = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`score-${at}`, 0.5]));
  const version = `1.0.0-${"long".repeat(10)}`;
  await client.publishRelease("router", { version, content: "x", scores });
  await client.publishRelease("router", { version: "2", content: "y", scores: { first: 1 } });
  const env = { LASTGOOD_URL: running.url, LASTGOOD_TOKEN: await server.tokenAs("operator") };
  const { out } = await lastgood(["releases", "list", "router"], { env });
  assert.match(out, /^2 +\S+Z +token:admin +[0-9a-f]{8} +1 score +by 0\n/m);
  assert.match(out, /^1\.0\.0-longlong.*\.\.\. .* 30 scores/m);
  assert.ok(
    out.split("\n").every((line) => line.length <= 120),
    out,
  );
});

test("an import of Langfuse needs a policy to pin, and is repeated without harm", async () => {
  await using server = await startServer();
  const type = await typist(server);
  const folder = await mkdtemp(join(tmpdir(), "lastgood-langfuse-"));
  try {
    const file = join(folder, "prompts.json");
    const prompt = (name: string, version: number, labels: readonly string[]) => ({
      ...{ id: crypto.randomUUID(), createdAt: "2026-09-01T00:00:00Z", projectId: "p", tags: [] },
      ...{ name, version, labels, type: "text", prompt: `v${version}`, config: {} },
    });
    const prompts = [
      prompt("support/triage reply", 2, ["latest", "staging"]),
      prompt("support/triage reply", 1, ["production"]),
    ];
    await writeFile(file, JSON.stringify(prompts));
    const refused = await type(`import langfuse ${file}`);
    assert.equal(refused.code, 5, refused.err);
    assert.match(refused.err, /nothing is pinned: support\/triage-reply have no in-flight policy/);
    const done = await type(`import langfuse ${file} --in-flight switch`);
    assert.match(done.out, /"support\/triage reply" is called support\/triage-reply here/);
    assert.match(done.out, /Left out: latest/);
    assert.match(done.out, /0 of 2 releases were new, 2 of 2 pins moved/);
    const again = await type(`import langfuse ${file} --json`);
    const { published, pinned } = JSON.parse(again.out) as Record<string, unknown>;
    assert.deepEqual([published, pinned], [0, 0]);
    const versions = await Promise.all(
      [production, "staging"].map(async (environment) => {
        const { shares } = await server.client.pin(environment, "support/triage-reply");
        return shares[0]?.version;
      }),
    );
    assert.deepEqual(versions, ["1", "2"]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
