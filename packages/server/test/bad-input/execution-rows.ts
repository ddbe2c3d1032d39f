/** Executions, outcomes and what gateways report: work that is none, and releases that nobody knows. */
import type { Row as AnyRow, HttpCall } from "./row.ts";

type Row = AnyRow<HttpCall>;
type Rest = Pick<Row, "fault" | "exit" | "says">;

const bad = { fault: "bad_input", exit: 2 } as const;
const missing = { fault: "not_found", exit: 3 } as const;
const notNow = { fault: "state_forbids", exit: 5 } as const;
const none = "exe_00000000000000000000000000000000";

const ask = (name: string, asked: string, body: unknown, rest: Rest, as = "admin"): Row => ({
  ...{ name, call: { ask: asked, as, body } },
  ...rest,
});
const begin = (name: string, body: object, rest: Rest): Row =>
  ask(`work ${name}`, "POST /v1/executions", { artifact: "spec-a", key: "k", ...body }, rest);

const begun: readonly Row[] = [
  begin("without a key", { key: "" }, { ...bad, says: /key/ }),
  begin("with a NUL in its key", { key: "a\0" }, { ...bad, says: /key.*NUL/ }),
  begin("under what is not pinned", { artifact: "spec-c" }, { ...missing, says: /not pinned/ }),
  begin("nowhere", { environment: "prodution" }, { ...missing, says: /prodution/ }),
  begin("with an id of its own form", { id: "1" }, { ...bad, says: /exe_/ }),
  begin(
    "in a session that is not there",
    { session: "nobody-1" },
    { ...missing, says: /no session/ },
  ),
  begin(
    "with five dimensions",
    { dimensions: { a: "1", b: "1", c: "1", d: "1", e: "1" } },
    { ...bad, says: /4 dimensions/ },
  ),
  begin(
    "with an endless input",
    { input: "x".repeat(70_000) },
    { fault: "too_large", exit: 2, says: /65536 are kept/ },
  ),
  begin("that never expires", { expireMs: 1e12 }, { ...bad, says: /expireMs/ }),
  begin(
    "of a release that nobody knows",
    { late: { version: "99", epoch: 1, begunAt: "2026-01-01T00:00:00Z" } },
    { ...missing, says: /spec-a:99/ },
  ),
];

const longAhead = "2999-01-01T00:00:00Z";
const soonAhead = new Date(Date.now() + 3_600_000).toISOString();
const fromAhead: readonly Row[] = [
  begin(
    "that begins in another millennium",
    { late: { version: "1", epoch: 1, begunAt: longAhead } },
    { ...bad, says: /2999-01-01T00:00:00.000Z is ahead of .*late\.begunAt/ },
  ),
  begin(
    "that begins in an hour",
    { late: { version: "1", epoch: 1, begunAt: soonAhead } },
    { ...bad, says: /is ahead of .*late\.begunAt/ },
  ),
  begin(
    "by a pin that there was not yet",
    { late: { version: "1", epoch: 999_999, begunAt: "2026-01-01T00:00:00Z" } },
    { ...bad, says: /production is at epoch \d+, and 999999 was not yet.*late\.epoch/ },
  ),
];

const other: readonly Row[] = [
  ask("a step of nothing", `POST /v1/executions/${none}/step`, undefined, {
    ...{ ...missing, says: /executions list/ },
  }),
  ask(
    "an end of nothing",
    `POST /v1/executions/${none}/end`,
    { state: "finished" },
    {
      ...{ ...missing, says: /no execution/ },
    },
  ),
  ask(
    "an end that is none",
    `POST /v1/executions/${none}/end`,
    { state: "retried" },
    {
      ...{ ...bad, says: /state/ },
    },
  ),
  ask(
    "an outcome that says nothing",
    `POST /v1/executions/${none}/outcome`,
    {},
    {
      ...{ ...bad, says: /score.*expected/ },
    },
  ),
  ask("no outcomes at all", "POST /v1/outcomes", { outcomes: [] }, { ...bad, says: /outcomes/ }),
  ask(
    "outcomes that are no list",
    "POST /v1/outcomes",
    { outcomes: { [none]: 1 } },
    { ...bad, says: /array/ },
  ),
  ask(
    "more outcomes than are taken at once",
    "POST /v1/outcomes",
    { outcomes: Array.from({ length: 1_001 }, () => null) },
    { ...bad, says: /1000/ },
  ),
  ask(
    "an outcome out of range",
    `POST /v1/executions/${none}/outcome`,
    { score: 1.5 },
    {
      ...{ ...bad, says: /score/ },
    },
  ),
  {
    name: "an outcome that is no number",
    call: { ask: `POST /v1/executions/${none}/outcome`, raw: '{"score": NaN}' },
    ...{ ...bad, says: /not JSON/ },
  },
  ask(
    "queueing again under a release that is still pinned",
    "POST /v1/executions/requeue",
    { artifact: "spec-a", version: "2" },
    { ...notNow, says: /still pinned.*Roll back first/ },
  ),
  ask(
    "queueing again what is not pinned at all",
    "POST /v1/executions/requeue",
    { artifact: "spec-c", version: "1" },
    { ...notNow, says: /not pinned/ },
  ),
  ask(
    "taking too much",
    "POST /v1/executions/take",
    { artifact: "spec-a", limit: 101 },
    {
      ...{ ...bad, says: /limit/ },
    },
  ),
  {
    name: "an account of an epoch that moved nothing",
    call: { ask: "GET /v1/environments/production/pins/spec-a/account?epoch=999" },
    ...{ ...missing, says: /did not move at epoch 999/ },
  },
];

const mirror = "PUT /v1/environments/production/mirrors/spec-a";
const reports = "POST /v1/environments/production/gateway/reports";
const sample = { release: "a:1", service: "a", signal: "b", at: "2026-01-01T00:00:00Z" };
const gateways: readonly Row[] = [
  ask(
    "a mirror to no release",
    mirror,
    { version: "99", percent: 5 },
    {
      ...{ ...missing, says: /spec-a:99/ },
    },
  ),
  ask(
    "a mirror to what is no model",
    mirror,
    { version: "1", percent: 5 },
    {
      ...{ ...notNow, says: /cannot be served by the gateway/ },
    },
  ),
  ask(
    "a mirror of more than all",
    mirror,
    { version: "1", percent: 101 },
    {
      ...{ ...bad, says: /percent/ },
    },
  ),
  ask(
    "a report by an agent",
    reports,
    { samples: [], executions: [] },
    { fault: "forbidden", exit: 4, says: /needs the role operator/ },
    "backend",
  ),
  ask(
    "a report out of range",
    reports,
    { samples: [{ ...sample, value: 1e300 }], executions: [] },
    {
      ...{ ...bad, says: /value/ },
    },
  ),
  ask(
    "a report of no execution",
    reports,
    { samples: [], executions: [{}] },
    {
      ...{ ...bad, says: /executions\/0/ },
    },
  ),
];

export const executionRows: readonly Row[] = [...begun, ...fromAhead, ...other, ...gateways];
