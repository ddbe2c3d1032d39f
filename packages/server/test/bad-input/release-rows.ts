/** Releases, pins and OFREP: versions that are none, dials that do not turn, and what is not there. */
import type { Row as AnyRow, HttpCall } from "./row.ts";

type Row = AnyRow<HttpCall>;
type Rest = Pick<Row, "fault" | "exit" | "says">;

const bad = { fault: "bad_input", exit: 2 } as const;
const missing = { fault: "not_found", exit: 3 } as const;
const notNow = { fault: "state_forbids", exit: 5 } as const;
const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;

const publish = (name: string, body: object, rest: Rest, as = "admin"): Row => ({
  name: `a release ${name}`,
  call: { ask: "POST /v1/artifacts/spec-a/releases", as, body: { version: "9", ...body } },
  ...rest,
});
const published: readonly Row[] = [
  publish(
    "named latest",
    { version: "latest", content: 1 },
    { ...bad, says: /another release tomorrow/ },
  ),
  publish("named by a range", { version: "^1.0", content: 1 }, { ...bad, says: /is a range/ }),
  publish(
    "without a version",
    { version: "", content: 1 },
    { ...bad, says: /no version is named/ },
  ),
  publish("that climbs", { version: "../1", content: 1 }, { ...bad, says: /not a version/ }),
  publish("of nothing", {}, { ...bad, says: /neither a content nor a reference/ }),
  publish("of two things", { content: 1, reference: "x" }, { ...bad, says: /both/ }),
  publish("with a NUL", { content: "a\u0000b" }, { ...bad, says: /NUL/ }),
  publish("with half a character", { content: "\ud83d" }, { ...bad, says: /surrogate/ }),
  publish("with a number others read differently", { content: 2 ** 60 }, { ...bad, says: /2\^53/ }),
  publish(
    "with a score that is none",
    { content: 1, scores: { a: "high" } },
    { ...bad, says: /scores/ },
  ),
  publish(
    "with an endless score",
    { content: 1, scores: { a: 1e300 } },
    { ...bad, says: /scores/ },
  ),
  publish(
    "of another kind",
    { content: 1, kind: "model" },
    { ...notNow, says: /is a spec and stays one/ },
  ),
  publish("made from nothing", { content: 1, parent: "0" }, { ...missing, says: /spec-a:0/ }),
  publish(
    "that is too large",
    { content: "x".repeat(1_048_576) },
    { fault: "too_large", exit: 2, says: /1048578 bytes.*publish a reference/ },
  ),
  {
    name: "a model with more than the gateway can serve",
    call: {
      ask: "POST /v1/artifacts/model-x/releases",
      body: { version: "1", kind: "model", content: { system: "s".repeat(17_000) } },
    },
    ...{ ...bad, says: /17013 bytes.*a model may have 16384.*another kind/ },
  },
  publish(
    "with other content",
    { version: "1", content: "other" },
    {
      fault: "release_exists",
      exit: 5,
      says: /spec-a:1 was published by token:admin.*another version/,
    },
  ),
  publish(
    "by a viewer",
    { content: 1 },
    { fault: "forbidden", exit: 4, says: /needs the role agent/ },
    "viewer",
  ),
  {
    name: "a release that is too deep",
    call: { ask: "POST /v1/artifacts/spec-a/releases", raw: `{"version":"9","content":${deep}}` },
    ...{ fault: "too_deep", exit: 2, says: /64/ },
  },
  {
    name: "a release of what has no kind",
    call: { ask: "POST /v1/artifacts/unheard-of/releases", body: { version: "1", content: 1 } },
    ...{ ...bad, says: /no artifact unheard-of yet.*kind/ },
  },
  {
    name: "an artifact that climbs",
    call: { ask: "GET /v1/artifacts/..%2Fspec-a" },
    ...{ ...bad, says: /path\/artifact/ },
  },
  {
    name: "a policy that is none",
    call: { ask: "PUT /v1/artifacts/spec-a", body: { inFlight: "hope" } },
    ...{ ...bad, says: /inFlight/ },
  },
  {
    name: "retention that keeps nothing",
    call: { ask: "PUT /v1/artifacts/spec-a", body: { keep: { last: 0, days: 1 } } },
    ...{ ...bad, says: /keep\/last/ },
  },
];

const ask = (name: string, asked: string, body: object, rest: Rest, as = "admin"): Row => ({
  ...{ name, call: { ask: asked, as, body } },
  ...rest,
});
const beside: readonly Row[] = [
  ask(
    "scoring with no number",
    "POST /v1/artifacts/spec-a/releases/1/scores",
    { name: "accuracy", value: null },
    { ...bad, says: /value/ },
  ),
  ask(
    "approving no such release",
    "POST /v1/artifacts/spec-a/releases/7/approve",
    {},
    { ...missing, says: /releases list spec-a/ },
  ),
  ask(
    "retiring a pinned release",
    "POST /v1/artifacts/spec-a/releases/2/retire",
    { because: "tidy" },
    { ...notNow, says: /spec-a:2 is pinned, was live.*never retired/ },
  ),
  ask(
    "retiring a rollback target",
    "POST /v1/artifacts/spec-a/releases/1/retire",
    { because: "tidy" },
    { ...notNow, says: /spec-a:1.*never retired/ },
  ),
  ask(
    "lifting without a reason",
    "POST /v1/artifacts/spec-a/releases/3/lift",
    {},
    { ...bad, says: /because/ },
  ),
  ask(
    "lifting as an agent",
    "POST /v1/artifacts/spec-a/releases/3/lift",
    { because: "I want it" },
    { fault: "forbidden", exit: 4, says: /needs the role operator/ },
    "backend",
  ),
];

const deploy = (name: string, body: object, rest: Rest, as = "admin"): Row =>
  ask(`a deployment ${name}`, "POST /v1/environments/production/pins/spec-a", body, rest, as);
const deployed: readonly Row[] = [
  deploy("of latest", { version: "latest" }, { ...bad, says: /another release tomorrow/ }),
  deploy("of nothing", {}, { ...bad, says: /name the version, or give all shares/ }),
  deploy("of no such release", { version: "7" }, { ...missing, says: /spec-a:7/ }),
  deploy("to nobody", { version: "1", percent: 0 }, { ...bad, says: /percent/ }),
  deploy("to more than all", { version: "1", percent: 101 }, { ...bad, says: /percent/ }),
  deploy(
    "that does not add up",
    {
      shares: [
        { version: "1", share: 50 },
        { version: "2", share: 49 },
      ],
    },
    { ...bad, says: /add up to 99.*must add up to 100/ },
  ),
  deploy("of half a share", { shares: [{ version: "1", share: 99.5 }] }, { ...bad, says: /share/ }),
  deploy(
    "on a pin that moved",
    { version: "1", expect: 1 },
    { fault: "version_conflict", exit: 5, says: /token:admin pinned 2 at epoch.*look again/ },
  ),
  deploy(
    "of what was rolled back",
    { version: "3" },
    { fault: "was_rolled_back", exit: 5, says: /spec-a:3 was rolled back.*releases lift spec-a:3/ },
  ),
  deploy(
    "by an agent that may not",
    { version: "1" },
    { fault: "not_yours", exit: 4, says: /agents\.backend\.deploys/ },
    "backend",
  ),
  ask(
    "a deployment without a policy",
    "POST /v1/environments/production/pins/prompt-b",
    { version: "1" },
    { fault: "policy_missing", exit: 5, says: /Proposed: switch.*--in-flight/ },
  ),
  ask(
    "a deployment that nobody reviewed",
    "POST /v1/environments/production/pins/spec-c",
    { version: "1" },
    {
      fault: "review_missing",
      exit: 7,
      says: /nobody else approved it.*releases approve spec-c:1/,
    },
  ),
  ask(
    "rolling back what is not pinned",
    "POST /v1/environments/staging/pins/spec-a/rollback",
    {},
    { ...missing, says: /not pinned in staging/ },
  ),
  {
    name: "no such environment",
    call: { ask: "GET /v1/environments/prodution/pins" },
    ...missing,
    says: /prodution/,
  },
];

const followed: readonly Row[] = [
  ask(
    "a consumer in no environment",
    "POST /v1/environments/prodution/consumers/w/poll",
    { epoch: 0 },
    { ...missing, says: /prodution/ },
  ),
  ask(
    "a consumer of no epoch",
    "POST /v1/environments/production/consumers/w/poll",
    { epoch: -1 },
    { ...bad, says: /epoch/ },
  ),
  ask(
    "a consumer that waits for ever",
    "POST /v1/environments/production/consumers/w/poll",
    { epoch: 0, waitMs: 1e9 },
    { ...bad, says: /waitMs/ },
  ),
  ask(
    "a consumer of endless artifacts",
    "POST /v1/environments/production/consumers/w/poll",
    { epoch: 0, artifacts: Array(1_001).fill("a") },
    { ...bad, says: /artifacts/ },
  ),
  ask(
    "a consumer without a name",
    "POST /v1/environments/production/consumers/%20/poll",
    { epoch: 0 },
    { ...bad, says: /path\/id/ },
  ),
];

export const releaseRows: readonly Row[] = [...published, ...beside, ...deployed, ...followed];
