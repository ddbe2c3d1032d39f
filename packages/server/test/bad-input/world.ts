/**
 * A small world that is whole: a server over repositories with a merge and a root commit, documents, an
 * inbox with a message, a dead letter, a service that is served by commands, incidents and recoveries in
 * several states. The rows of the table know all of it by name.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Recovery } from "@lastgood/sdk";
import { createToken } from "../../src/http/tokens.ts";
import type { ChangeId, IncidentId } from "../../src/ids.ts";
import { freezeIncident, openIncident } from "../../src/incidents/incident.ts";
import {
  insertIncident,
  moveIncident,
  requireIncident,
} from "../../src/incidents/incident-store.ts";
import { putSuspects } from "../../src/incidents/triage-store.ts";
import { recordChanges } from "../../src/ledger/ledger-store.ts";
import type { Db } from "../../src/store/database.ts";
import { newChangeId, newId, realWorld } from "../../src/world.ts";
import { infest } from "../code/infest.ts";
import { createOrigin, type Origin } from "../code/world.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { until } from "../support/until.ts";
import { createDigester, type Digests } from "./digest.ts";

export interface SmallWorld extends AsyncDisposable {
  readonly server: TestServer;
  readonly folder: string;
  /** What a row may say in braces. */
  readonly names: ReadonlyMap<string, string>;
  readonly tokens: Readonly<Record<string, string>>;
  /** A repository whose `guilty` commit was not taken back yet. */
  readonly shop: Origin;
  digest(): Promise<Digests>;
  /** What was run of the commands that the repositories name. */
  sang(): readonly string[];
}

const repositories = ["api", "rewritten", "checked-out", "down", "shop"] as const;
type RepositoryName = (typeof repositories)[number];
type Origins = Readonly<Record<RepositoryName, Origin>>;

export async function startSmallWorld(): Promise<SmallWorld> {
  const folder = mkdtempSync(join(tmpdir(), "lastgood-bad-input-"));
  const origins = Object.fromEntries(
    repositories.map((name) => [name, createOrigin(folder, name)]),
  ) as Origins;
  const commits = commitAll(origins);
  writeFileSync(join(folder, "served"), commits["shop-good"]);
  writeFileSync(join(folder, "good.yaml"), "mode: watch\n");
  writeFileSync(join(folder, "bad.yaml"), "services:\n  shop:\n    ownr: alice\n");
  const server = await startServer(configOf(folder, origins));
  const { client } = server;
  const { db } = server.lastgood;
  for (const name of repositories) await client.repositoryPushed(name, { wait: true });
  const changes = await changesOf(server, commits);
  await loseSome(server, origins, commits.lost);

  const recoveries = await recoverSome(server, changes);
  const incidents = await openSome(server, { guilty: changes.get("guilty") ?? "" });
  const letters = await writeSome(server);
  const elsewhere = await recordElsewhere(db);
  const work = await openWork(server);
  await pinSome(server);
  const sang = infest(origins.api.url, join(folder, "canaries"));
  return {
    server,
    folder,
    shop: origins.shop,
    names: new Map([
      ...changes,
      ...recoveries,
      ...incidents,
      ...letters,
      ...work,
      ["elsewhere", elsewhere],
      ["guilty-commit", commits.guilty],
      ["folder", folder],
      ["nobody", "00000000-0000-7000-8000-000000000000"],
    ]),
    tokens: await tokensOf(server),
    digest: createDigester(db, folder),
    sang,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configOf(folder: string, origins: Origins): unknown {
  const poll = "1h";
  const served = join(folder, "served");
  return {
    repositories: {
      ...Object.fromEntries(repositories.map((name) => [name, { url: origins[name].url, poll }])),
      "checked-out": { url: origins["checked-out"].clone, poll },
    },
    agents: {
      backend: { authors: ["backend@fleet.test"], authority: { layers: ["state"], mode: "auto" } },
      marketing: { authors: ["marketing@fleet.test"] },
    },
    services: {
      shop: {
        repository: "shop",
        runtime: {
          adapter: "command",
          read: ["cat", served],
          set: ["sh", "-c", `printf %s "$REVISION" > ${served}`],
        },
      },
    },
    messages: {
      // What is in hand stays so for longer than the table takes.
      consumers: { "marketing-v1": { agent: "marketing", maxDeliver: 1, ackWait: "1h" } },
    },
  };
}

/** The ids of the commits, by what they are. */
function commitAll({ api, shop, ...others }: Origins) {
  const root = api.commit({ "a.txt": "one\ntwo\nthree\n" }, "begin");
  api.git("checkout", "--quiet", "-b", "side");
  api.commit({ "side.txt": "side\n" }, "on the side", "marketing@fleet.test");
  api.git("checkout", "--quiet", "main");
  api.git("-c", "user.email=backend@fleet.test", "-c", "user.name=b", ...mergeOf("side"));
  const merge = api.git("rev-parse", "HEAD");
  const contested = api.commit({ "a.txt": "one\n2\nthree\n" }, "in figures");
  api.commit({ "a.txt": "one\nII\nthree\n" }, "in Roman figures", "marketing@fleet.test");
  const empty = api.commit({}, "nothing at all");
  const good = shop.commit({ "price.txt": "10\n", "name.txt": "shop\n" }, "open the shop");
  const guilty = shop.commit({ "price.txt": "0\n" }, "free of charge");
  others.rewritten.commit({ "a.txt": "1\n" }, "begin");
  const lost = others.rewritten.commit({ "a.txt": "2\n" }, "soon lost");
  others["checked-out"].commit({ "a.txt": "1\n" }, "begin");
  const checkedOut = others["checked-out"].commit({ "a.txt": "2\n" }, "under somebody's feet");
  others.down.commit({ "a.txt": "1\n" }, "begin");
  const far = others.down.commit({ "a.txt": "2\n" }, "soon far away");
  for (const origin of [api, shop, others.rewritten, others.down]) origin.push();
  return {
    ...{ root, merge, contested, empty, guilty, lost, far },
    ...{ "shop-good": good, "checked-out": checkedOut },
  };
}

const mergeOf = (branch: string) => ["merge", "--quiet", "--no-ff", "-m", "merge it", branch];

/** The change that brought each commit. */
async function changesOf(
  { client }: TestServer,
  commits: Readonly<Record<string, string>>,
): Promise<Map<string, string>> {
  const page = await client.changes({ layer: "code", limit: 1_000 });
  return new Map(
    Object.entries(commits).map(([name, commit]) => {
      const found = page.changes.find(({ to }) => to === commit);
      if (found === undefined) throw new Error(`no change brought ${name}`);
      return [name, found.id];
    }),
  );
}

/** A branch is force-pushed, and a remote goes away. */
async function loseSome({ client }: TestServer, origins: Origins, lost: string): Promise<void> {
  const { rewritten, down } = origins;
  rewritten.git("reset", "--quiet", "--hard", `${lost}~1`);
  rewritten.commit({ "b.txt": "b\n" }, "instead");
  rewritten.push("--force");
  await client.repositoryPushed("rewritten", { wait: true });
  rmSync(down.url, { recursive: true });
}

/** Recoveries: planned, in conflict, refused, and run to its end. */
async function recoverSome(
  { client }: TestServer,
  changes: ReadonlyMap<string, string>,
): Promise<readonly (readonly [string, string])[]> {
  const written: string[] = [];
  for (const [id, title] of Object.entries({ front: "as it was", back: "as it was" })) {
    await client.putDocument("pages", id, { body: { title } });
    const receipt = await client.putDocument("pages", id, {
      ...{ body: { title: "broken" }, agent: "backend", task: "T-1" },
    });
    written.push(receipt.change);
  }
  const [front = "", back = ""] = written;
  const planned = await client.planRecovery({ changes: [front] });
  const contested = changes.get("contested") ?? "";
  const conflicting = await client.planRecovery({ changes: [contested] });
  const refused = await client.planRecovery({ changes: [front], because: "twice" });
  await client.refuseRecovery(refused.id, "once is enough");
  const ran = await client.planRecovery({ changes: [back] });
  await client.runRecovery(ran.id, ran.digest);
  await until(
    "the recovery",
    async () => (await client.recovery(ran.id)).state === "verified",
    60_000,
  );
  const named = (name: string, recovery: Recovery) =>
    [
      [name, recovery.id],
      [`${name}-digest`, recovery.digest],
    ] as const;
  return [
    ...named("planned", planned),
    ...named("conflicting", conflicting),
    ...named("refused", refused),
    ...named("ran", ran),
    ["front", front],
  ];
}

/** Incidents: one that waits for a person (with a suspect), one that is taken, one that is closed. */
async function openSome(
  { client, lastgood: { db } }: TestServer,
  { guilty }: { readonly guilty: string },
): Promise<readonly (readonly [string, string])[]> {
  const waiting = await openFrozen(db, "shop");
  const factors = { prior: 0.7, contrast: 99, scope: 1, time: 0.9, rerun: 1 };
  const now = new Date();
  await putSuspects(
    db,
    waiting,
    [
      {
        ...{ change: guilty as ChangeId, factors, observations: [], excluded: null },
        ...{ posterior: 0.9, witnesses: [], exposedAt: now, deploy: null, distance: 0 },
      },
    ],
    { prior: 0.3, commonCause: 1, posterior: 0.1, observations: [] },
    now,
  );
  const taken = await openFrozen(db, "pages");
  await client.takeIncident(taken, "I look after it");
  const closed = await openFrozen(db, "other pages");
  await client.closeIncident(closed, "it was nothing");
  return [
    ["waiting", waiting],
    ["taken", taken],
    ["closed", closed],
  ];
}

async function openFrozen(db: Db, target: string): Promise<IncidentId> {
  const id = newId<IncidentId>(realWorld, "inc");
  const now = new Date();
  const opened = openIncident({
    ...{ id, kind: "contradiction", signature: `contradiction ${target}`, severity: "high" },
    ...{ service: "shop", title: `${target} is contested`, onset: now },
    ...{ detectedAt: now, openedAt: now },
  });
  // At once, or the loop would investigate it first.
  await db.begin(async (tx) => {
    await insertIncident(tx, opened, null);
    await moveIncident(
      tx,
      await requireIncident(tx, id),
      freezeIncident(opened, "it is contested"),
    );
  });
  return id;
}

/** A message that waits, one that is being handled, and a dead letter. */
async function writeSome({ client }: TestServer): Promise<readonly (readonly [string, string])[]> {
  const inbox = "marketing-v1";
  await client.publishMessage({ agent: "marketing", id: "dies", payload: { post: 1 } });
  const dying = (await client.fetchMessages(inbox, { waitMs: 5_000 })).messages[0];
  await client.nakMessage(dying?.token ?? "", { reason: "503" });
  await client.publishMessage({ agent: "marketing", id: "in-hand", payload: { post: 2 } });
  const inHand = (await client.fetchMessages(inbox, { waitMs: 5_000 })).messages[0];
  await client.publishMessage({ agent: "marketing", id: "waits", payload: { post: 3 } });
  const { deadLetters } = await client.deadLetters();
  return [
    ["dead", deadLetters[0]?.id ?? ""],
    ["delivery", inHand?.token ?? ""],
    ["spent-delivery", dying?.token ?? ""],
  ];
}

/** Tasks and effects in every state, in sessions that live longer than the table takes; one is over. */
async function openWork({
  client,
  lastgood: { db },
}: TestServer): Promise<readonly (readonly [string, string])[]> {
  const open = async (agent: string) =>
    (await client.openSession({ agent, leaseMs: 600_000 })).record.session_id;
  const over = await open("backend");
  const [backend, marketing] = [await open("backend"), await open("marketing")];
  const assign = (id: string, given: object = {}) =>
    client.assignTask({ id, title: `Do ${id}`, ...given });
  for (const id of ["T-free", "T-held", "T-blocked", "T-done"]) await assign(id);
  await assign("T-mine", { subtasks: ["draft"] });
  await assign("T-marketing", { agent: "marketing" });
  await client.claimTask("T-held", marketing);
  for (const id of ["T-mine", "T-blocked", "T-done"]) await client.claimTask(id, backend);
  await client.blockTask("T-blocked", { session: backend, because: "no access" });
  await client.completeTask("T-done", { session: backend });
  const told = async () => (await db`select 1 from task_tellings`).length === 0;
  await until("all is told of the tasks", told);

  const begin = async (session: string, key: string) =>
    (await client.beginEffect({ session, key })).effect.id;
  await begin(backend, "under way");
  const effect = await begin(backend, "done");
  await client.confirmEffect(effect, { session: backend, result: "sent" });
  const unknown = await begin(marketing, "unknown");
  await client.doubtEffect(unknown, { session: marketing, error: "timed out" });
  return [
    ["backend-session", backend],
    ["marketing-session", marketing],
    ["over-session", over],
    ["effect", effect],
    ["unknown-effect", unknown],
  ];
}

/** A pin that was rolled back from its third release, and artifacts that cannot be deployed. */
async function pinSome({ client }: TestServer): Promise<void> {
  await client.declareArtifact("spec-a", { kind: "spec", inFlight: "switch" });
  await client.declareArtifact("spec-c", { kind: "spec", inFlight: "switch", review: "required" });
  for (const version of ["1", "2", "3"]) {
    await client.publishRelease("spec-a", { version, content: version });
    await client.deployRelease("production", "spec-a", { version });
  }
  await client.rollBackRelease("production", "spec-a", { because: "it was worse" });
  await client.publishRelease("prompt-b", { version: "1", content: 1, kind: "prompt" });
  await client.publishRelease("spec-c", { version: "1", content: 1 });
}

/** A change whose commit never was on the branch. */
async function recordElsewhere(db: Db): Promise<string> {
  const id = newChangeId(realWorld);
  await recordChanges(db, [
    {
      ...{ id, at: new Date(), layer: "code", kind: "commit", target: "api" },
      ...{ agent: "backend", to: "e".repeat(40), reason: "on another branch" },
    },
  ]);
  return id;
}

async function tokensOf({
  tokenAs,
  lastgood: { db },
}: TestServer): Promise<Readonly<Record<string, string>>> {
  const expired = await createToken(db, realWorld, {
    ...{ role: "admin", name: "contractor", agent: null },
    expiresAt: new Date(Date.now() - 1_000),
  });
  const revoked = await tokenAs("admin");
  await db`update tokens set revoked_at = now() where id = ${idOf(revoked)}`;
  const suspended = await tokenAs("agent", "backend");
  await db`
    update tokens set suspended_because = 'inc_1: latency rose' where id = ${idOf(suspended)}`;
  return {
    ...{ expired, revoked, suspended },
    admin: await tokenAs("admin"),
    operator: await tokenAs("operator"),
    viewer: await tokenAs("viewer"),
    backend: await tokenAs("agent", "backend"),
    marketing: await tokenAs("agent", "marketing"),
  };
}

function idOf(token: string): string {
  return token.split("_")[2] ?? "";
}
