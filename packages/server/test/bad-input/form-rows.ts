/** Requests that are not of the form asked for. */
import type { Row as AnyRow, HttpCall } from "./row.ts";

type Row = AnyRow<HttpCall>;

const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;
const put = "PUT /v1/documents/pages/front";
const bad = { fault: "bad_input", exit: 2 } as const;
const missing = { fault: "not_found", exit: 3 } as const;

const unknown: readonly Row[] = [
  {
    name: "a route that is not there",
    call: { ask: "GET /v1/nothing" },
    ...missing,
    says: /openapi/,
  },
  {
    name: "a method that is not there",
    call: { ask: "PATCH /v1/changes" },
    ...missing,
    says: /openapi/,
  },
  {
    name: "a route that climbs",
    call: { ask: "GET /v1/%2e%2e/%2e%2e/etc/passwd" },
    ...missing,
    says: /openapi/,
  },
  {
    name: "a change",
    call: { ask: "GET /v1/changes/{nobody}" },
    ...missing,
    says: /lastgood changes/,
  },
  {
    name: "an incident",
    call: { ask: "GET /v1/incidents/inc_nothing" },
    ...missing,
    says: /incident list/,
  },
  {
    name: "a recovery",
    call: { ask: "GET /v1/recoveries/rec_nothing" },
    ...missing,
    says: /recover list/,
  },
  {
    name: "a repository",
    call: { ask: "GET /v1/repositories/nothing" },
    ...missing,
    says: /lastgood repositories/,
  },
  {
    name: "a commit",
    call: { ask: "GET /v1/repositories/api/commits/0123456789" },
    ...missing,
    says: /repositories pushed api/,
  },
  { name: "a service", call: { ask: "GET /v1/services/nothing" }, ...missing, says: /services/ },
  {
    name: "a rule",
    call: { ask: "GET /v1/signals/nothing" },
    ...missing,
    says: /lastgood signals/,
  },
  {
    name: "a document",
    call: { ask: "GET /v1/documents/pages/nothing" },
    ...missing,
    says: /state list pages/,
  },
  {
    name: "a version",
    call: { ask: "GET /v1/documents/pages/front?version=99" },
    ...missing,
    says: /history/,
  },
  {
    name: "a stream",
    call: { ask: "GET /v1/streams/nothing" },
    ...missing,
    says: /messages streams/,
  },
  {
    name: "a consumer",
    call: { ask: "GET /v1/consumers/nothing" },
    ...missing,
    says: /messages consumers/,
  },
  {
    name: "a dead letter",
    call: { ask: "GET /v1/dead-letters/dl_nothing" },
    ...missing,
    says: /dead-letters/,
  },
  {
    name: "a token",
    call: { ask: "POST /v1/tokens/000000000000/revoke" },
    ...missing,
    says: /token list/,
  },
  {
    name: "a bar",
    call: { ask: "POST /v1/bars/{nobody}/lift", body: { because: "x" } },
    ...missing,
    says: /lastgood bars/,
  },
  {
    name: "a page",
    call: { ask: "GET /v1/pages/inc_nothing" },
    ...missing,
    says: /lastgood pages/,
  },
  {
    name: "a post-mortem",
    call: { ask: "GET /v1/incidents/{waiting}/post-mortem" },
    ...missing,
    says: /written/,
  },
  {
    name: "a person",
    call: { ask: "POST /v1/people/nobody/rehearse", body: {} },
    ...missing,
    says: /people/,
  },
];

const bodies: readonly Row[] = [
  {
    name: "a body that is not JSON",
    call: { ask: "POST /v1/freeze", raw: '{"reason": "half' },
    ...bad,
    says: /not JSON.*JSON parser/,
  },
  { name: "no body", call: { ask: "POST /v1/freeze" }, ...bad, says: /body.*openapi/ },
  { name: "an empty body", call: { ask: "POST /v1/freeze", raw: "" }, ...bad, says: /not JSON/ },
  {
    name: "a body that is null",
    call: { ask: "POST /v1/freeze", raw: "null" },
    ...bad,
    says: /body.*openapi/,
  },
  {
    name: "a body that is a list",
    call: { ask: "POST /v1/freeze", body: ["x"] },
    ...bad,
    says: /object.*openapi/,
  },
  {
    name: "a body of another type",
    call: { ask: "POST /v1/freeze", raw: "reason=x", type: "application/x-www-form-urlencoded" },
    fault: "unsupported_media_type",
    exit: 2,
    says: /content-type: application\/json/,
  },
  {
    name: "XML",
    call: { ask: "POST /v1/freeze", raw: "<reason/>", type: "text/xml" },
    fault: "unsupported_media_type",
    exit: 2,
    says: /application\/json/,
  },
  {
    name: "a body above the limit",
    call: { ask: "POST /v1/freeze", raw: JSON.stringify({ reason: "x".repeat(1_400_000) }) },
    fault: "too_large",
    exit: 2,
    says: /send less/,
  },
  {
    name: "a body of great depth",
    call: { ask: "POST /v1/freeze", raw: `{"reason": ${deep}}` },
    fault: "too_deep",
    exit: 2,
    says: /flatten/,
  },
  {
    name: "a document of great depth",
    call: { ask: put, raw: `{"body": ${deep}}` },
    fault: "too_deep",
    exit: 2,
    says: /flatten/,
  },
  {
    name: "a document above the limit",
    call: { ask: put, body: { body: "x".repeat(1_100_000) } },
    fault: "too_large",
    exit: 2,
    says: /1.?048.?576|1 MiB|split|smaller/,
  },
  { name: "a document without a body", call: { ask: put, body: {} }, ...bad, says: /missing/ },
  {
    name: "a field of the wrong type",
    call: { ask: "POST /v1/freeze", body: { reason: 7 } },
    ...bad,
    says: /body\/reason.*string/,
  },
  {
    name: "an unknown field",
    call: { ask: "POST /v1/freeze", body: { reason: "x", until: "noon" } },
    ...bad,
    says: /until/,
  },
  {
    name: "a field that reaches for the prototype",
    call: { ask: "POST /v1/freeze", raw: '{"reason":"x","__proto__":{"role":"admin"}}' },
    ...bad,
    says: /body.*JSON/,
  },
  {
    name: "a freeze without a reason",
    call: { ask: "POST /v1/freeze", body: { reason: "" } },
    ...bad,
    says: /body\/reason/,
  },
  {
    name: "a freeze whose reason is blank",
    call: { ask: "POST /v1/freeze", body: { reason: "  " } },
    ...bad,
    says: /body\/reason/,
  },
  {
    name: "a text with a NUL",
    call: { ask: "POST /v1/freeze", body: { reason: "a\u0000b" } },
    ...bad,
    says: /NUL/,
  },
  { name: "an id with a NUL", call: { ask: "GET /v1/incidents/a%00b" }, ...bad, says: /NUL/ },
  { name: "a query with a NUL", call: { ask: "GET /v1/changes?agent=a%00b" }, ...bad, says: /NUL/ },
  {
    name: "an id that is no UTF-8",
    call: { ask: "GET /v1/incidents/%ff%fe" },
    ...bad,
    says: /encode each part/,
  },
  {
    name: "an id that is no UUID",
    call: { ask: "GET /v1/changes/7" },
    ...bad,
    says: /path\/id.*UUID/i,
  },
  {
    name: "an unknown query",
    call: { ask: "GET /v1/changes?agnet=backend" },
    ...bad,
    says: /agnet/,
  },
  {
    name: "a limit of zero",
    call: { ask: "GET /v1/changes?limit=0" },
    ...bad,
    says: /query\/limit/,
  },
  {
    name: "a limit that is no number",
    call: { ask: "GET /v1/changes?limit=many" },
    ...bad,
    says: /query\/limit/,
  },
  {
    name: "a limit without bound",
    call: { ask: "GET /v1/changes?limit=1e9" },
    ...bad,
    says: /query\/limit/,
  },
  {
    name: "a layer that is not there",
    call: { ask: "GET /v1/changes?layer=cheese" },
    ...bad,
    says: /query\/layer.*code/,
  },
  { name: "a span without a unit", call: { ask: "GET /v1/changes?since=2" }, ...bad, says: /2h/ },
  {
    name: "a day that is not there",
    call: { ask: "GET /v1/changes?since=2026-02-31T25:00:00Z" },
    ...bad,
    says: /2h/,
  },
  {
    name: "a state that is not there",
    call: { ask: "GET /v1/incidents?state=odd" },
    ...bad,
    says: /open/,
  },
];

const sample = { service: "shop", signal: "orders", ok: true };
const send = (given: object) => ({ ask: "POST /v1/samples", body: { samples: [given] } });
const samples: readonly Row[] = [
  {
    name: "no samples",
    call: { ask: "POST /v1/samples", body: { samples: [] } },
    ...bad,
    says: /body\/samples/,
  },
  {
    name: "too many samples",
    call: { ask: "POST /v1/samples", body: { samples: Array(5_001).fill(sample) } },
    ...bad,
    says: /body\/samples.*5000/,
  },
  {
    name: "a sample that observes nothing",
    call: send({ service: "shop", signal: "orders" }),
    ...bad,
    says: /ok.*value.*hard/,
  },
  {
    name: "NaN",
    call: {
      ask: "POST /v1/samples",
      raw: '{"samples":[{"service":"shop","signal":"ms","value":NaN}]}',
    },
    ...bad,
    says: /not JSON/,
  },
  {
    name: "infinity",
    call: {
      ask: "POST /v1/samples",
      raw: '{"samples":[{"service":"shop","signal":"ms","value":1e999}]}',
    },
    ...bad,
    says: /body\/samples\/0\/value is a number beyond 1\.8e308/,
  },
  {
    name: "a number in a document that no program keeps",
    call: { ask: "PUT /v1/documents/pages/front", raw: '{"body":{"limits":[1,1e400]}}' },
    ...bad,
    says: /body\/body\/limits\/1 is a number beyond 1\.8e308.*write a smaller one/,
  },
  {
    name: "a value out of range",
    call: send({ ...sample, value: 1e16 }),
    ...bad,
    says: /samples\/0\/value/,
  },
  {
    name: "a value that is a text",
    call: send({ ...sample, value: "12" }),
    ...bad,
    says: /samples\/0\/value.*number/,
  },
  {
    name: "a sample from the future",
    call: send({ ...sample, at: "2999-01-01T00:00:00Z" }),
    ...bad,
    says: /future.*clock/,
  },
  {
    name: "a sample from no time",
    call: send({ ...sample, at: "yesterday" }),
    ...bad,
    says: /samples\/0\/at/,
  },
  {
    name: "too many dimensions",
    call: send({ ...sample, dimensions: { a: "1", b: "1", c: "1", d: "1", e: "1" } }),
    ...bad,
    says: /at most 4/,
  },
  {
    name: "a hostile service name",
    call: send({ ...sample, service: "../shop" }),
    ...bad,
    says: /a name: letters/,
  },
];

export const formRows: readonly Row[] = [...unknown, ...bodies, ...samples];
