import assert from "node:assert/strict";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pino } from "pino";
import { configSchema } from "../../src/config/config.ts";
import { configJsonSchema, configJsonSchemaText } from "../../src/config/json-schema.ts";
import { loadConfig, type OpenedConfiguration, openConfiguration } from "../../src/config/load.ts";
import { setInFile, settingIn } from "../../src/config/set-in-file.ts";
import { settingsNotDefault } from "../../src/config/settings-not-default.ts";
import { realWorld } from "../../src/world.ts";
import { startServer } from "../support/server.ts";
import { until } from "../support/until.ts";

interface Place extends AsyncDisposable {
  readonly file: string;
  write(text: string): Promise<void>;
  open(): Promise<OpenedConfiguration & AsyncDisposable>;
}

async function startPlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-config-"));
  const file = join(folder, "lastgood.yaml");
  return {
    file,
    // As editors do it: a new file in the old one's place.
    async write(text) {
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
    },
    async open() {
      const opened = await openConfiguration({
        path: file,
        keepIn: join(folder, "home"),
        world: realWorld,
        log: pino({ level: "silent" }),
      });
      return { ...opened, [Symbol.asyncDispose]: opened.stop };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

test("a changed file is read by itself, and a faulty one leaves the former in force", async () => {
  await using place = await startPlace();
  await place.write("mode: watch\n");
  await using configuration = await place.open();
  await place.write("mode: propose\n");
  await until("propose", () => configuration.current().mode === "propose");
  await place.write("mode: sometimes\n");
  await until("the fault", () => configuration.file.status().fault !== null);
  assert.match(configuration.file.status().fault ?? "", /lastgood\.yaml:1:1: mode: write watch/);
  assert.equal(configuration.current().mode, "propose");
  await assert.rejects(configuration.file.reload(), { code: "bad_configuration" });
  await place.write("mode: auto\n");
  await until("auto", () => configuration.current().mode === "auto");
  assert.equal(configuration.file.status().fault, null);
});

test("a file that goes away leaves the last one in force, and says so", async () => {
  await using place = await startPlace();
  await place.write("mode: auto\n");
  await using configuration = await place.open();
  await rm(place.file);
  await until("the fault", () => configuration.file.status().fault !== null);
  assert.match(configuration.file.status().fault ?? "", /cannot be read/);
  assert.equal(configuration.current().mode, "auto");
});

test("a restart over a faulty file starts from the last good one, and the very first faulty file refuses", async () => {
  await using place = await startPlace();
  await place.write("mode: nonsense\n");
  await assert.rejects(place.open(), { code: "bad_configuration" });
  await place.write("mode: auto\n");
  {
    await using configuration = await place.open();
    assert.equal(configuration.file.status().fromCopy, false);
  }
  await place.write("mode: nonsense\n");
  await using again = await place.open();
  assert.equal(again.current().mode, "auto");
  assert.equal(again.file.status().fromCopy, true);
  assert.match(again.file.status().fault ?? "", /nonsense/);
});

test("a file that is absent, a folder, or a pipe is a fault that says what to do", async () => {
  await using place = await startPlace();
  await assert.rejects(loadConfig(place.file), { code: "not_found", message: /lastgood init/ });
  await assert.rejects(loadConfig(tmpdir()), { code: "not_found", message: /not a regular file/ });
});

test("setting one setting keeps comments and order, and a bad value changes nothing", async () => {
  await using place = await startPlace();
  const text =
    "# ours\npeople: # who\n  alice: {} # founder\nservices:\n  api:\n    # slow\n    dependsOn: []\nagents:\n";
  await place.write(text);
  await setInFile(place.file, "services.api.owner", "alice");
  await setInFile(place.file, "agents.backend.authors", "[b@agents.example]");
  const { config } = await loadConfig(place.file);
  assert.equal(config.services.api?.owner, "alice");
  assert.deepEqual(config.agents.backend?.authors, ["b@agents.example"]);
  const after = await readFile(place.file, "utf8");
  for (const comment of ["# ours", "# who", "# founder", "# slow"])
    assert.ok(after.includes(comment));
  for (const [path, value] of [
    ["services.api.owner", "bob"],
    ["services.api.owner", "[unclosed"],
    ["services..owner", "alice"],
    ["__proto__.x", "1"],
    ["mode.deeper", "1"],
  ] as const) {
    await assert.rejects(setInFile(place.file, path, value), /./, `${path} = ${value}`);
    assert.equal(await readFile(place.file, "utf8"), after);
  }
  assert.equal(settingIn("", "/people/a.b", "{}"), "people:\n  a.b: {}\n");
});

test("the difference from what init wrote names each setting, and not the general mode", () => {
  const written = configSchema.parse({ services: { api: { probes: { health: { path: "/h" } } } } });
  assert.deepEqual(settingsNotDefault(written, written), []);
  const changed = configSchema.parse({
    mode: "auto",
    caps: { recoveriesPerDay: 50 },
    services: { api: { probes: { health: { path: "/h", every: "50ms" } } }, web: {} },
  });
  assert.deepEqual(settingsNotDefault(changed, written), [
    "caps.recoveriesPerDay",
    "services.api.probes.health.every",
    "services.web",
  ]);
});

test("the published JSON Schema is in step with the schema that is enforced", async () => {
  const file = join(import.meta.dirname, "../../lastgood.schema.json");
  const published: unknown = JSON.parse(await readFile(file, "utf8"));
  const enforced: unknown = JSON.parse(configJsonSchemaText());
  assert.deepEqual(published, enforced, "write it anew: npm run schema");
});

test("the server shows what is in force without secrets, and serves the schema for editors", async () => {
  await using server = await startServer({
    repositories: { api: { url: "https://bot@git.example/api.git" } },
    services: {
      api: {
        repository: "api",
        runtime: {
          adapter: "process",
          start: ["node", "x.js"],
          port: 9,
          env: { DATABASE_URL: "postgres://u:hunter2@db/x" },
        },
      },
    },
    people: { ann: { webhook: "https://hooks.example/services/T0/hunter2" } },
    messages: { url: "nats://u:hunter2@127.0.0.1:4222" },
    mode: "watch",
  });
  const report = await (await server.clientAs("viewer")).configuration();
  const text = JSON.stringify(report);
  assert.ok(!text.includes("hunter2"), text);
  assert.match(text, /https:\/\/hooks\.example\//);
  assert.equal(report.file, null);
  await assert.rejects(server.client.reloadConfiguration(), { code: "state_forbids" });
  const viewer = await server.clientAs("viewer");
  await assert.rejects(viewer.reloadConfiguration(), { code: "forbidden" });
  const served = await fetch(`${server.lastgood.url}/lastgood.schema.json`);
  assert.deepEqual(await served.json(), JSON.parse(JSON.stringify(configJsonSchema())));
});
