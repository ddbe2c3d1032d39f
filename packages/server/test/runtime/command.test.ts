import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { configSchema } from "../../src/config/config.ts";
import { createCommandAdapter } from "../../src/layers/runtime/command-adapter.ts";

const one = "1".repeat(40);
const two = "2".repeat(40);
/** The runner bounds each test: a deadline for all of them together would be the machine's. */
const { signal } = new AbortController();

/** Keeps the tag of the service in a file, and says like the real one what it is asked for. */
const docker = `#!/bin/sh
state="$STATE/compose"
case "$*" in
  "compose up --detach --wait content-api")
    [ -e "$STATE/refuses" ] && { echo "manifest unknown" >&2; exit 18; }
    [ -e "$STATE/ignores" ] && exit 0
    printf 'registry.example/content-api:%s' "$TAG" > "$state" ;;
  "compose ps --format {{.Image}} content-api")
    [ -e "$state" ] && { cat "$state"; echo; } ; exit 0 ;;
  *) echo "unknown: $*" >&2; exit 64 ;;
esac
`;

/** A deployment: its image is set at once, and its rollout is asked for separately. */
const kubectl = `#!/bin/sh
[ -e "$STATE/away" ] && { echo "connection refused" >&2; exit 1; }
case "$*" in
  "set image deployment/content-api content-api="*) printf '%s' "\${4#*=}" > "$STATE/wanted" ;;
  "rollout status deployment/content-api --timeout="*)
    [ -e "$STATE/stuck" ] && { echo "error: deployment exceeded its progress deadline" >&2; exit 1; }
    [ -e "$STATE/wanted" ] && cp "$STATE/wanted" "$STATE/ready"; exit 0 ;;
  "get deployment/content-api -o jsonpath={.spec.template.spec.containers[0].image}")
    [ -e "$STATE/wanted" ] && cat "$STATE/wanted"; exit 0 ;;
  "get pods --selector app=content-api --sort-by .metadata.creationTimestamp -o go-template="*)
    [ -e "$STATE/ready" ] && { cat "$STATE/ready"; echo; cat "$STATE/wanted"; }; exit 0 ;;
  *) echo "unknown: $*" >&2; exit 64 ;;
esac
`;

/** The runtime of a worked example of docs/runtime.md, with the fake programs first in PATH. */
async function startExample(name: string) {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-command-"));
  await mkdir(join(folder, "bin"));
  for (const [program, text] of Object.entries({ docker, kubectl })) {
    await writeFile(join(folder, "bin", program), text);
    await chmod(join(folder, "bin", program), 0o755);
  }
  const page = await readFile(join(import.meta.dirname, "../../../../docs/runtime.md"), "utf8");
  const examples = [...page.matchAll(/```yaml\n# ([\w ]+)\n([\s\S]*?)```/g)];
  const text = examples.find((match) => match[1] === name)?.[2];
  await mkdir(join(folder, "deploy"));
  for (const [, script = "", body = ""] of page.matchAll(
    /```sh\n# (deploy\/\w+\.sh)[^\n]*\n([\s\S]*?)```/g,
  )) {
    await writeFile(join(folder, script), body);
  }
  assert.ok(text !== undefined, `docs/runtime.md has an example "${name}"`);
  const config = configSchema.parse(parse(text));
  const runtime = config.services["content-api"]?.runtime;
  assert.ok(runtime?.adapter === "command");
  const adapter = (changes: object = {}) =>
    createCommandAdapter({
      service: "content-api",
      config: { ...runtime, timeout: 20_000, ...changes },
      base: folder,
      environment: {
        ...process.env,
        PATH: `${folder}/bin:${process.env.PATH}`,
        STATE: folder,
        DATABASE_URL: "postgres://lastgood-own",
      },
    });
  return {
    adapter,
    mark: (file: string) => writeFile(join(folder, file), ""),
    file: (name: string) => readFile(join(folder, name), "utf8"),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

for (const name of ["docker compose", "kubectl"]) {
  test(`the worked example for ${name} sets a revision, reads it back and goes back`, async () => {
    await using example = await startExample(name);
    const adapter = example.adapter();
    assert.equal((await adapter.read(signal)).revision, null);
    for (const revision of [one, two, one]) {
      assert.equal((await adapter.set(revision, signal)).outcome, "served");
      assert.equal((await adapter.read(signal)).revision, revision);
      assert.equal(await adapter.health(signal), null);
    }
    assert.equal((await adapter.set(one, signal)).outcome, "served", "twice is once");
  });
}

test("a command that refuses, one that does nothing, and a rollout that sticks are failures", async () => {
  await using compose = await startExample("docker compose");
  await compose.adapter().set(one, signal);
  await compose.mark("refuses");
  const refused = await compose.adapter().set(two, signal);
  assert.ok(refused.outcome === "failed");
  assert.match(refused.because, /`set` exited with code 18/);
  assert.match(refused.output, /manifest unknown/);
  await rmMark(compose, "refuses");

  await using kube = await startExample("kubectl");
  await kube.adapter().set(one, signal);
  await kube.mark("stuck");
  const stuck = await kube.adapter().set(two, signal);
  assert.ok(stuck.outcome === "failed");
  assert.match(stuck.output, /progress deadline/);
  assert.equal((await kube.adapter().read(signal)).revision, one, "what served still does");
  assert.match(await kube.file("wanted"), new RegExp(`:${one}$`), "nor will it come up one day");

  await kube.mark("away");
  await assert.rejects(kube.adapter().read(signal), {
    code: "command_failed",
    message: /connection refused/,
  });

  await using silent = await startExample("docker compose");
  await silent.adapter().set(one, signal);
  await silent.mark("ignores");
  const ignored = await silent.adapter({ timeout: 2_000 }).set(two, signal);
  assert.ok(ignored.outcome === "failed");
  assert.match(ignored.because, /exited with 0, and `read` prints 1{40}/);
});

test("a command that hangs is killed with all it started, one that is missing is named", async () => {
  await using example = await startExample("docker compose");
  const hangs = ["sh", "-c", "sleep 300 & echo $! > pid; wait"];
  const began = performance.now();
  const hung = await example.adapter({ timeout: 300, set: hangs }).set(two, signal);
  assert.ok(hung.outcome === "failed");
  assert.match(hung.because, /longer than 300 ms/);
  assert.ok(performance.now() - began < 30_000);
  await assert.rejects(example.adapter({ read: ["no-such-program"] }).read(signal), {
    code: "missing_program",
    message: /no-such-program/,
  });
  await assert.rejects(example.adapter({ read: ["sh", "-c", "echo much; exit 3"] }).read(signal), {
    code: "command_failed",
    message: /code 3: much/,
  });
  await assert.rejects(example.adapter({ read: ["echo", "two words"] }).read(signal), {
    code: "command_failed",
    message: /nothing else/,
  });
});

test("commands do not get Lastgood's own database", async () => {
  await using example = await startExample("docker compose");
  const read = ["sh", "-c", 'printf "%s" "$' + '{DATABASE_URL:-none}-$SERVICE"'];
  assert.equal((await example.adapter({ read }).read(signal)).revision, "none-content-api");
});

async function rmMark(
  { adapter }: Awaited<ReturnType<typeof startExample>>,
  file: string,
): Promise<void> {
  const gone = await adapter({ read: ["sh", "-c", `rm "$STATE/${file}"`] }).read(signal);
  assert.equal(gone.revision, null);
}
