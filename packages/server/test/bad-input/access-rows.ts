/** Tokens that do not open the door, and actors who ask for what is not theirs. */
import type { Row as AnyRow, HttpCall } from "./row.ts";

type Row = AnyRow<HttpCall>;

const look = "GET /v1/changes";
const nobody = { fault: "unauthenticated", exit: 4, says: /ask an admin.*token create/ } as const;
const presented = (name: string, authorization: string): Row => ({
  ...{ name, call: { ask: look, authorization } },
  ...nobody,
});

const tokens: readonly Row[] = [
  presented("no token", ""),
  presented("a token of another form", "Bearer secret"),
  presented("a password", "Basic YWRtaW46YWRtaW4="),
  presented("a token that was never given", `Bearer lg_admin_000000000000_${"a".repeat(43)}`),
  presented("a token with SQL in it", "Bearer lg_admin_0' or '1'='1_aaaaaaaaaaaaaaaaaaaaaaaa"),
  presented("a token of endless length", `Bearer lg_admin_000000000000_${"a".repeat(8_000)}`),
  { name: "a token that was revoked", call: { ask: look, as: "revoked" }, ...nobody },
  {
    name: "a token that is over",
    call: { ask: look, as: "expired" },
    fault: "token_expired",
    exit: 4,
    says: /contractor.*ask an admin/,
  },
  {
    name: "a token whose agent is contained",
    call: { ask: look, as: "suspended" },
    fault: "contained",
    exit: 4,
    says: /inc_1/,
  },
];

const needs = { fault: "forbidden", exit: 4, says: /needs the role/ } as const;
const because = "because I can";
const roles: readonly Row[] = [
  ["viewer", "POST /v1/freeze", { reason: because }],
  ["viewer", "POST /v1/incidents/{waiting}/take", { reason: because }],
  ["viewer", "POST /v1/recoveries", { changes: ["{guilty}"] }],
  ["viewer", "POST /v1/recoveries/{planned}/run", { digest: "{planned-digest}" }],
  ["viewer", "PUT /v1/documents/pages/front", { body: 1 }],
  ["viewer", "POST /v1/messages", { agent: "marketing", payload: 1 }],
  ["viewer", "POST /v1/consumers/marketing-v1/fetch", {}],
  ["viewer", "POST /v1/samples", { samples: [{ service: "shop", signal: "x", ok: true }] }],
  ["viewer", "GET /v1/audits", undefined],
  ["backend", "POST /v1/services/shop/deploy", {}],
  ["backend", "POST /v1/consumers/marketing-v1/hold", { because }],
  ["backend", "POST /v1/thaw", {}],
  ["operator", "POST /v1/tokens", { role: "admin", name: "me" }],
  ["operator", "POST /v1/documents/pages/front/erase", {}],
  ["operator", "POST /v1/repositories", { name: "x", url: "{folder}/api.git" }],
].map(
  ([as, ask, body]): Row => ({
    name: `${as}: ${ask}`,
    call: { ask: String(ask), as: String(as), body },
    ...needs,
  }),
);

const others = { fault: "not_yours", exit: 4 } as const;
const theirs: readonly Row[] = [
  {
    name: "an agent that writes as another",
    call: {
      ask: "PUT /v1/documents/pages/front",
      as: "backend",
      body: { body: 1, agent: "marketing" },
    },
    ...others,
    says: /that agent's own token/,
  },
  {
    name: "an agent that publishes as another",
    call: {
      ask: "POST /v1/messages",
      as: "backend",
      body: { agent: "marketing", sender: "marketing", payload: 1 },
    },
    ...others,
    says: /leave out sender/,
  },
  {
    name: "an agent that reads another's inbox",
    call: { ask: "POST /v1/inboxes/marketing/fetch", as: "backend", body: {} },
    ...others,
    says: /that agent's own token/,
  },
  {
    name: "an agent that consumes from another's inbox",
    call: { ask: "POST /v1/consumers/marketing-v1/fetch", as: "backend", body: {} },
    ...others,
    says: /consume from your own/,
  },
  {
    name: "an agent that settles another's delivery",
    call: { ask: "POST /v1/deliveries/{delivery}/ack", as: "backend", body: {} },
    ...others,
    says: /consume from your own/,
  },
  {
    name: "an agent that discards a dead letter of others",
    call: { ask: "POST /v1/dead-letters/{dead}/discard", as: "backend", body: { because } },
    ...others,
    says: /ask an operator/,
  },
  {
    name: "an agent that takes back another's change",
    call: { ask: "POST /v1/recoveries", as: "marketing", body: { changes: ["{guilty}"] } },
    ...others,
    says: /no responder.*operator/,
  },
  {
    name: "an agent that reports as another",
    call: {
      ask: "POST /v1/reports",
      as: "backend",
      body: { service: "shop", text: "slow", reporter: "marketing" },
    },
    ...others,
    says: /leave `reporter` out/,
  },
  {
    name: "an agent that approves what another planned",
    call: {
      ask: "POST /v1/recoveries/{planned}/approve",
      as: "backend",
      body: { digest: "{planned-digest}" },
    },
    ...others,
    says: /no responder.*lastgood approve rec_/,
  },
  {
    name: "an agent that runs what another planned",
    call: {
      ask: "POST /v1/recoveries/{conflicting}/run",
      as: "marketing",
      body: { digest: "{conflicting-digest}" },
    },
    ...others,
    says: /no responder.*lastgood approve rec_/,
  },
];

export const accessRows: readonly Row[] = [...tokens, ...roles, ...theirs];
