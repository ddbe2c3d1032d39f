/** Rollouts: ramps that are none, dials that are not there, and acts that nothing allows. */
import type { Row as AnyRow, HttpCall } from "./row.ts";

type Row = AnyRow<HttpCall>;
type Rest = Pick<Row, "fault" | "exit" | "says">;

const bad = { fault: "bad_input", exit: 2 } as const;
const missing = { fault: "not_found", exit: 3 } as const;
const notNow = { fault: "state_forbids", exit: 5 } as const;

const ask = (name: string, asked: string, body: object, rest: Rest, as = "admin"): Row => ({
  ...{ name, call: { ask: asked, as, body } },
  ...rest,
});
const begin = (name: string, body: object, rest: Rest, as = "admin"): Row =>
  ask(`a rollout ${name}`, "POST /v1/environments/production/pins/spec-a/rollout", body, rest, as);
const ramp = (name: string, percents: readonly unknown[]): Row =>
  begin(name, { version: "1", ramp: percents }, { ...bad, says: /ramp/ });

const begun: readonly Row[] = [
  begin("of latest", { version: "latest" }, { ...bad, says: /another release tomorrow/ }),
  begin("of nothing", {}, { ...bad, says: /version/ }),
  begin("of no such release", { version: "7" }, { ...missing, says: /spec-a:7/ }),
  begin("of what is pinned", { version: "2" }, { ...notNow, says: /is what is pinned already/ }),
  begin(
    "of what was rolled back",
    { version: "3" },
    { fault: "was_rolled_back", exit: 5, says: /releases lift spec-a:3/ },
  ),
  begin(
    "on a pin that moved",
    { version: "1", expect: 1 },
    { fault: "version_conflict", exit: 5, says: /token:admin pinned 2 at epoch.*look again/ },
  ),
  begin(
    "by an agent that may not",
    { version: "1" },
    { fault: "not_yours", exit: 4, says: /agents\.backend\.deploys/ },
    "backend",
  ),
  begin("that waits for ever", { version: "1", holdMs: 1e12 }, { ...bad, says: /holdMs/ }),
  ramp("that does not end at all", [1, 50]),
  ramp("that falls", [50, 10, 100]),
  ramp("that stands", [10, 10, 100]),
  ramp("of a half", [0.5, 100]),
  ramp("to more than all", [50, 101]),
  ramp("of no steps", []),
  ramp("of endless steps", Array(1_000).fill(1)),
  begin(
    "in steps and at once",
    { version: "1", ramp: [50, 100], blueGreen: true },
    { ...bad, says: /leave `ramp` out, or `blueGreen`/ },
  ),
  ask(
    "a rollout where nothing is pinned",
    "POST /v1/environments/staging/pins/spec-a/rollout",
    { version: "1" },
    { ...notNow, says: /Nothing of spec-a is pinned in staging.*lastgood deploy spec-a:1/ },
  ),
  ask(
    "a rollout without a policy",
    "POST /v1/environments/production/pins/prompt-b/rollout",
    { version: "1" },
    { fault: "policy_missing", exit: 5, says: /Proposed: switch/ },
  ),
  ask(
    "a rollout that nobody reviewed",
    "POST /v1/environments/production/pins/spec-c/rollout",
    { version: "1" },
    { fault: "review_missing", exit: 7, says: /releases approve spec-c:1/ },
  ),
];

const turned: readonly Row[] = [
  ...["freeze", "resume", "promote", "back"].map((verb) =>
    ask(
      `the ${verb} of no rollout`,
      `POST /v1/rollouts/ro_000000000000/${verb}`,
      { because: "x" },
      { ...missing, says: /lastgood rollout list/ },
    ),
  ),
  ask(
    "turning back for no reason",
    "POST /v1/rollouts/ro_000000000000/back",
    { because: " " },
    { ...bad, says: /because/ },
  ),
  ask(
    "not looking, and not at once",
    "POST /v1/rollouts/ro_000000000000/back",
    { because: "x", unchecked: true },
    { ...bad, says: /only with now/ },
  ),
  ask(
    "freezing as an agent",
    "POST /v1/rollouts/ro_000000000000/freeze",
    { because: "x" },
    { fault: "forbidden", exit: 4, says: /needs the role operator/ },
    "backend",
  ),
  ask(
    "rolling back unlooked as an agent",
    "POST /v1/environments/production/pins/spec-a/rollback",
    { unchecked: true },
    { fault: "not_yours", exit: 4, says: /agents\.backend\.deploys/ },
    "backend",
  ),
];

const drilled: readonly Row[] = [
  ask(
    "a drill where nothing is pinned",
    "POST /v1/environments/staging/pins/spec-a/drill",
    {},
    { ...missing, says: /not pinned in staging/ },
  ),
  ask(
    "a drill of nobody",
    "POST /v1/environments/production/pins/spec-a/drill",
    { percent: 0 },
    { ...bad, says: /percent/ },
  ),
  ask(
    "a drill without an end",
    "POST /v1/environments/production/pins/spec-a/drill",
    { holdMs: 1e9 },
    { ...bad, says: /holdMs/ },
  ),
  {
    name: "the proofs of no drill",
    call: { ask: "GET /v1/rollouts/ro_000000000000/drill" },
    ...{ ...missing, says: /lastgood rollout list/ },
  },
  {
    name: "rollouts of endless number",
    call: { ask: "GET /v1/rollouts?limit=100000" },
    ...{ ...bad, says: /limit/ },
  },
];

export const rolloutRows: readonly Row[] = [...begun, ...turned, ...drilled];
