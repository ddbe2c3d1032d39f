import assert from "node:assert/strict";
import { test } from "node:test";
import { createProgram } from "../../src/cli/program.ts";
import { configSchema } from "../../src/config/config.ts";
import { judge } from "../../src/coverage/coverage.ts";
import type { Facts } from "../../src/coverage/facts.ts";
import { findGaps } from "../../src/coverage/find.ts";
import { whyNoCommand } from "../support/command-line.ts";

const at = new Date("2026-09-21T08:00:00Z");
const ago = (days: number) => new Date(at.getTime() - days * 86_400_000);
const seen = <T>(value: T) => ({ seen: true, value }) as const;

/** A fleet of which nothing is to be said. */
const wellConfig = {
  mode: "auto",
  repositories: { api: { url: "./api.git" } },
  agents: { backend: { authors: ["backend@agents.example"] } },
  services: {
    "content-api": {
      repository: "api",
      runtime: { adapter: "process", start: ["node", "x.js"], port: 1 },
      probes: { health: { path: "/health" } },
      sandbox: { check: ["npm", "test"] },
    },
  },
  people: { ann: { pagerduty: "ANN_KEY" } },
  pages: { owner: "ann" },
};

const well: Facts = {
  at,
  config: configSchema.parse(wellConfig),
  file: { path: "/x/lastgood.yaml", readAt: at, fromCopy: false, fault: null, warnings: [] },
  repositories: seen([
    {
      name: "api",
      branch: "main",
      deliver: "push",
      credentials: null,
      lookedAt: at,
      problem: null,
      checkedOut: [],
    },
  ]),
  services: seen([
    {
      ...{
        name: "content-api",
        state: "serving",
        because: null,
        revision: "b8e4d12",
        pinned: null,
      },
      ...{ failure: null, held: null, drift: [] },
    },
  ]),
  rules: seen([
    {
      ...{ rule: "content-api.health", service: "content-api", verdict: "hold", detector: "hard" },
      ...{ samples: 100, lastSampleAt: at },
    },
  ]),
  messages: seen({
    ...{ engine: "embedded", reachable: true, degraded: [], deadLetters: 0 },
    consumers: [{ name: "backend-durable-v1", agent: "backend", role: null, held: [], missed: 0 }],
  }),
  agents: seen([
    {
      ...{ name: "backend", tokens: 1, contained: null },
      ...{ inSessions: true, parked: null, unknownEffects: 0 },
    },
  ]),
  pages: seen({ nobodyToCall: [], undeliverable: [] }),
  recoveries: seen([]),
  priors: seen([]),
  looks: seen([]),
  leftOut: seen([]),
  postMortems: seen([]),
  freeze: seen(null),
  store: seen({
    ...{ embedded: true, version: "18.4", clockAheadMs: 3 },
    settings: { fsync: "on", synchronous_commit: "on", full_page_writes: "on" },
  }),
  disk: seen({ folder: "/x", freeBytes: 50 * 2 ** 30, totalBytes: 100 * 2 ** 30 }),
  backup: seen(ago(1)),
  drill: seen({ at: ago(10), drill: "september", ok: true }),
  servers: seen(1),
  variables: { ANN_KEY: true },
};

function agent(facts: object): Facts {
  const backend = well.agents.seen ? well.agents.value[0] : undefined;
  assert.ok(backend !== undefined);
  return { ...well, agents: seen([{ ...backend, ...facts }]) };
}

const withConfig = (change: object): Facts => ({
  ...well,
  config: configSchema.parse({ ...wellConfig, ...change }),
});
const withService = (change: object): Facts =>
  withConfig({ services: { "content-api": { ...wellConfig.services["content-api"], ...change } } });
const first = <T>(fact: { seen: boolean; value?: readonly T[] }): T => {
  const value = fact.value?.[0];
  if (value === undefined) throw new Error("the example has one");
  return value;
};
const repository = (change: object): Facts => ({
  ...well,
  repositories: seen([{ ...first(well.repositories), ...change }]),
});
const service = (change: object): Facts => ({
  ...well,
  services: seen([{ ...first(well.services), ...change }]),
});
const rule = (change: object): Facts => ({
  ...well,
  rules: seen([{ ...first(well.rules), ...change }]),
});
const messages = (change: object): Facts => ({
  ...well,
  messages: well.messages.seen ? seen({ ...well.messages.value, ...change }) : well.messages,
});
const store = (change: object): Facts => ({
  ...well,
  store: well.store.seen ? seen({ ...well.store.value, ...change }) : well.store,
});
const prior = (change: object): Facts => ({
  ...withConfig({ rollouts: { router: { guardrails: [{ signal: "accuracy" }] } } }),
  priors: seen([
    {
      ...{ environment: "production", artifact: "router", version: "v13", ok: true, says: "" },
      ...{ at, starts: true, drill: { at, ok: true }, ...change },
    },
  ]),
});
const live = (ok: boolean | null): Facts => ({
  ...well,
  looks: seen([
    { environment: "production", artifact: "router", version: "v14", at, ok, says: "0 of 1" },
  ]),
});
const leftOut = (samples: number): Facts => ({
  ...well,
  leftOut: seen([
    {
      ...{ about: "production/router", what: "quality of v14", samples },
      ...{ busiest: ["customer=acme"], shownBy: "lastgood judgements show router" },
    },
  ]),
});
const file = (change: object): Facts => ({
  ...well,
  file: well.file === null ? null : { ...well.file, ...change },
});
const consumer = { name: "c", agent: "backend", role: null, held: [] as string[], missed: 0 };

/** What is wrong -> the one finding that says so, and what it tells to do. */
const table: readonly [string, Facts, string, RegExp][] = [
  ["no file", { ...well, file: null }, "no-configuration", /^lastgood init$/],
  ["a fault in the file", file({ fault: "x:1:1: bad" }), "configuration-faulty", /config check/],
  ["a doubt about it", file({ warnings: ["cycle"] }), "configuration-doubtful", /config check/],
  ["only watching", withConfig({ mode: "watch" }), "no-mode-auto", /config set mode auto/],
  ["a freeze", { ...well, freeze: seen({ by: "ann", reason: "hm", at }) }, "frozen", /thaw/],
  ["never backed up", { ...well, backup: seen(null) }, "never-backed-up", /backup/],
  ["an old backup", { ...well, backup: seen(ago(8)) }, "backup-old", /backup/],
  ["never drilled", { ...well, drill: seen(null) }, "never-drilled", /drill run september/],
  [
    "an old drill",
    { ...well, drill: seen({ at: ago(91), drill: "eviction", ok: true }) },
    ...(["drill-old", /drill run eviction/] as const),
  ],
  [
    "a failed drill",
    { ...well, drill: seen({ at, drill: "september", ok: false }) },
    ...(["drill-failed", /drill run september/] as const),
  ],
  ["fsync off", store({ settings: { fsync: "off" } }), "store-not-durable", /fsync = on/],
  [
    "synchronous_commit off",
    store({ settings: { synchronous_commit: "off" } }),
    ...(["store-not-durable", /synchronous_commit = on/] as const),
  ],
  ["a clock behind", store({ clockAheadMs: -3_000 }), "clocks-differ", /ntp/],
  [
    "a full disk",
    { ...well, disk: seen({ folder: "/x", freeBytes: 2 ** 28, totalBytes: 2 ** 40 }) },
    ...(["disk-nearly-full", /df/] as const),
  ],
  ["two servers", { ...well, servers: seen(2) }, "embedded-log-shared", /engine nats/],
  [
    "a failed recovery",
    { ...well, recoveries: seen([{ id: "rec_1", state: "failed", because: "x" }]) },
    ...(["recovery-failed", /recover show rec_1/] as const),
  ],
  [
    "a recovery that waits",
    { ...well, recoveries: seen([{ id: "rec_1", state: "awaiting-approval", because: "" }]) },
    ...(["recovery-awaiting-approval", /approve rec_1/] as const),
  ],
  ["a release that serves and fails", live(false), "live-fails-check", /gate live router/],
  ["a release that nobody can ask", live(null), "live-not-told", /gate live router/],
  [
    "a post-mortem left open",
    { ...well, postMortems: seen(["inc_1", "inc_2"]) },
    ...(["post-mortem-open", /incident post-mortem inc_1/] as const),
  ],
  ["segments that nobody judges", leftOut(20), "segments-not-judged", /judgements show router/],
  ["a way back that leads nowhere", prior({ ok: false }), "prior-not-passable", /rollout prior/],
  ["a way back not tried", prior({ at: ago(1) }), "prior-not-tried", /rollout prior router/],
  ["a way back not started", prior({ starts: false }), "prior-not-started", /router\.probe\.start/],
  [
    "a way back not drilled",
    prior({ drill: null }),
    "reverse-never-drilled",
    /drill reverse router/,
  ],
  [
    "a way back whose drill failed",
    prior({ drill: { at, ok: false } }),
    ...(["reverse-drill-failed", /drill reverse router/] as const),
  ],
  [
    "a way back drilled long ago",
    prior({ drill: { at: ago(91), ok: true } }),
    ...(["reverse-drill-old", /drill reverse router/] as const),
  ],
  [
    "a ramp that nothing is held to",
    withConfig({ rollouts: { router: {} } }),
    ...(["rollout-without-guardrails", /rollouts\.router\.guardrails/] as const),
  ],
  ["nobody", withConfig({ people: { ann: {} } }), "nobody-to-call", /people\.ann\.pagerduty/],
  [
    "an owner without a phone",
    withConfig({
      people: { ...wellConfig.people, bea: {} },
      agents: { backend: { authors: ["b@x"], owner: "bea" } },
    }),
    ...(["owner-unreachable", /people\.bea\.pagerduty/] as const),
  ],
  [
    "a key that is not set",
    { ...well, variables: { ANN_KEY: false } },
    "variable-not-set",
    /ANN_KEY/,
  ],
  [
    "a page for nobody",
    { ...well, pages: seen({ nobodyToCall: ["inc_1"], undeliverable: [] }) },
    ...(["page-for-nobody", /people\.ann/] as const),
  ],
  [
    "a page that did not arrive",
    {
      ...well,
      pages: seen({
        nobodyToCall: [],
        undeliverable: [{ incident: "inc_1", person: "ann", channel: "webhook", because: "404" }],
      }),
    },
    ...(["page-undeliverable", /page retry inc_1/] as const),
  ],
  [
    "a node of others",
    withConfig({ services: { ...wellConfig.services, postgres: {} } }),
    ...(["service-not-ours", /services\.postgres\.repository/] as const),
  ],
  [
    "no runtime",
    withService({ runtime: undefined, url: "http://x" }),
    "service-without-runtime",
    /runtime/,
  ],
  ["no sandbox", withService({ sandbox: undefined }), "service-without-sandbox", /sandbox/],
  ["no probe", withService({ probes: {} }), "service-without-probe", /probes\.health/],
  [
    "a probe without an address",
    withService({ runtime: { adapter: "command", read: ["x"], set: ["y"] } }),
    ...(["probe-without-address", /content-api\.url/] as const),
  ],
  ["no owner", withConfig({ pages: {} }), "service-without-owner", /pages\.owner/],
  [
    "migrations without a way down",
    withService({ schema: "migrations" }),
    ...(["migrations-without-down", /migrations\.down/] as const),
  ],
  [
    "a cycle",
    withConfig({
      services: {
        ...wellConfig.services,
        a: {
          ...wellConfig.services["content-api"],
          dependsOn: ["b"],
          runtime: { adapter: "process", start: ["x"], port: 2 },
        },
        b: {
          ...wellConfig.services["content-api"],
          dependsOn: ["a"],
          runtime: { adapter: "process", start: ["x"], port: 3 },
        },
      },
    }),
    ...(["graph-cycle", /config check/] as const),
  ],
  [
    "a service that is down",
    service({ state: "not-serving" }),
    "service-not-serving",
    /services show/,
  ],
  ["a deploy that failed", service({ failure: "unhealthy" }), "deploy-failed", /services show/],
  ["a held deploy", service({ held: "contained" }), "deploy-held", /services show/],
  [
    "a pinned service",
    service({ pinned: "rec_1" }),
    "deploys-wait",
    /services deploy content-api$/,
  ],
  ["drift", service({ drift: ["a.js"] }), "service-drifted", /deploy content-api b8e4d12/],
  ["a rule without samples", rule({ lastSampleAt: null }), "rule-without-samples", /signals show/],
  ["a silent rule", rule({ lastSampleAt: ago(1) }), "rule-silent", /signals show/],
  [
    "a rule that measures",
    rule({ verdict: "insufficient", detector: "late-onset" }),
    ...(["rule-still-measuring", /signals show/] as const),
  ],
  [
    "a remote that is down",
    repository({ problem: { code: "layer_unreachable", detail: "refused", since: at } }),
    ...(["repository-failing", /repositories pushed api/] as const),
  ],
  [
    "a checked-out branch",
    repository({ checkedOut: ["main"] }),
    "branch-checked-out",
    /deliver branch/,
  ],
  [
    "a secret that is not set",
    { ...repository({ credentials: "API_TOKEN" }), variables: { API_TOKEN: false } },
    ...(["variable-not-set", /API_TOKEN/] as const),
  ],
  ["no authors", withConfig({ agents: { backend: {} } }), "agent-without-authors", /authors/],
  ["no token", agent({ tokens: 0 }), "agent-without-token", /token create/],
  [
    "a contained agent",
    agent({ contained: { incident: "inc_1", because: "x" } }),
    ...(["agent-contained", /incident show inc_1/] as const),
  ],
  [
    "an agent without sessions",
    agent({ inSessions: false }),
    ...(["agent-without-session", /agent run --agent backend/] as const),
  ],
  ["a parked agent", agent({ parked: "it died" }), "agent-parked", /agents release backend/],
  [
    "effects that nobody knows of",
    agent({ unknownEffects: 2 }),
    ...(["effects-unknown", /effects list --agent backend/] as const),
  ],
  ["no inbox", messages({ consumers: [] }), "agent-without-inbox", /messages publish/],
  ["the engine away", messages({ reachable: false }), "messages-away", /messages/],
  [
    "less than was asked",
    messages({ engine: "nats", degraded: ["no sync"] }),
    "messages-degraded",
    /messages/,
  ],
  [
    "a held inbox",
    messages({ consumers: [{ ...consumer, held: ["x"] }] }),
    "consumer-held",
    /release c/,
  ],
  [
    "missed messages",
    messages({ consumers: [{ ...consumer, missed: 3 }] }),
    "messages-missed",
    /streams/,
  ],
  ["dead letters", messages({ deadLetters: 4 }), "dead-letters", /dead-letters list/],
  [
    "a source that is away",
    { ...well, disk: { seen: false, because: "x" } },
    "not-looked-at",
    /doctor/,
  ],
];

const program = createProgram();

test("of a fleet that is well nothing is said", () => {
  assert.deepEqual(findGaps(well), []);
});

for (const [what, facts, code, mend] of table) {
  test(`${what} is one finding, ${code}, with the command that mends it`, () => {
    const found = findGaps(facts);
    const [finding] = found;
    assert.deepEqual(
      found.map((each) => each.code),
      [code],
    );
    assert.match(finding?.mend ?? "", mend);
    const command = /lastgood .*$/.exec(finding?.mend ?? "")?.[0];
    if (command !== undefined) assert.equal(whyNoCommand(program, command), null, command);
    assert.ok((finding?.says.length ?? 0) > 0);
  });
}

test("every gap is told at once, the worst first", () => {
  const bare: Facts = {
    ...{ ...well, file: null, backup: seen(null), drill: seen(null), servers: seen(3) },
    config: configSchema.parse({ services: { api: { repository: undefined } } }),
  };
  const kinds = findGaps(bare).map(({ kind }) => kind);
  const order = ["broken", "unprotected", "stale", "noted"];
  assert.deepEqual(
    kinds,
    kinds.toSorted((a, b) => order.indexOf(a) - order.indexOf(b)),
  );
  assert.ok(kinds.length >= 5);
});

test("what holds is told by service and for the installation", () => {
  const coverage = judge(well);
  assert.deepEqual(coverage.services, [
    {
      ...{ name: "content-api", code: "api", runtime: "process", probes: "health" },
      ...{ sandbox: "npm test", owner: "ann" },
    },
  ]);
  assert.match(coverage.protects.join("\n"), /commits can be reverted in api/);
  assert.match(coverage.protects.join("\n"), /ann can be called/);
});
