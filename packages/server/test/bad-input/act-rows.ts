/** Recoveries, incidents, messages and services: acts that the state of the world does not allow. */
import type { Row as AnyRow, HttpCall } from "./row.ts";

type Row = AnyRow<HttpCall>;

const plan = (name: string, change: string) => ({
  name: `a plan for ${name}`,
  call: { ask: "POST /v1/recoveries", body: { changes: [change] } },
});
const digest = "0".repeat(64);

const plans: readonly Row[] = [
  {
    ...plan("an empty commit", "{empty}"),
    fault: "nothing_to_revert",
    exit: 5,
    says: /is empty, or was taken back/,
  },
  {
    ...plan("a commit that was never on the branch", "{elsewhere}"),
    fault: "not_on_branch",
    exit: 5,
    says: /lastgood changes --target api/,
  },
  {
    ...plan("a commit that a force-push removed", "{lost}"),
    fault: "history_rewritten",
    exit: 7,
    says: /lastgood changes --target rewritten/,
  },
  {
    ...plan("a branch that is checked out", "{checked-out}"),
    fault: "branch_checked_out",
    exit: 5,
    says: /deliver: branch|check out/,
  },
  {
    ...plan("a remote that is down", "{far}"),
    fault: "layer_unreachable",
    exit: 6,
    says: /down\.git/,
  },
  {
    ...plan("an unknown change", "{nobody}"),
    fault: "not_found",
    exit: 3,
    says: /lastgood changes/,
  },
  { ...plan("no change's id", "rec_7"), fault: "bad_input", exit: 2, says: /changes\/0/ },
  {
    name: "a plan for nothing",
    call: { ask: "POST /v1/recoveries", body: {} },
    fault: "bad_input",
    exit: 2,
    says: /name changes, a task, or an agent with since/,
  },
  {
    name: "a plan for everybody's changes",
    call: { ask: "POST /v1/recoveries", body: { since: "2h" } },
    fault: "bad_input",
    exit: 2,
    says: /an agent with since/,
  },
  {
    name: "a plan for a task that changed nothing",
    call: { ask: "POST /v1/recoveries", body: { task: "T-nothing" } },
    fault: "nothing_to_revert",
    exit: 5,
    says: /lastgood changes/,
  },
];

const run = (name: string, id: string, body: object) => ({
  name: `running ${name}`,
  call: { ask: `POST /v1/recoveries/${id}/run`, body },
});
const runs: readonly Row[] = [
  {
    ...run("what has conflicts", "{conflicting}", { digest: "{conflicting-digest}" }),
    fault: "revert_conflicts",
    exit: 7,
    says: /a\.txt.*by hand/,
  },
  {
    ...run("with another digest", "{planned}", { digest }),
    fault: "plan_stale",
    exit: 5,
    says: /recover show rec_/,
  },
  {
    ...run("with half a digest", "{planned}", { digest: "0123" }),
    fault: "bad_input",
    exit: 2,
    says: /64 hex digits/,
  },
  {
    ...run("without a digest", "{planned}", {}),
    fault: "bad_input",
    exit: 2,
    says: /body\/digest/,
  },
  {
    ...run("what ran", "{ran}", { digest: "{ran-digest}" }),
    fault: "state_forbids",
    exit: 5,
    says: /verified/,
  },
  {
    ...run("what was refused", "{refused}", { digest: "{refused-digest}" }),
    fault: "state_forbids",
    exit: 5,
    says: /refused/,
  },
  {
    ...run("what is not there", "rec_nothing", { digest }),
    fault: "not_found",
    exit: 3,
    says: /recover list/,
  },
  {
    name: "approving with another digest",
    call: { ask: "POST /v1/recoveries/{planned}/approve", body: { digest } },
    fault: "plan_stale",
    exit: 5,
    says: /recover show/,
  },
  {
    name: "approving what ran",
    call: { ask: "POST /v1/recoveries/{ran}/approve", body: { digest: "{ran-digest}" } },
    fault: "state_forbids",
    exit: 5,
    says: /verified/,
  },
  {
    name: "refusing what ran",
    call: { ask: "POST /v1/recoveries/{ran}/refuse", body: { because: "late" } },
    fault: "state_forbids",
    exit: 5,
    says: /recover undo/,
  },
  {
    name: "taking back what never ran",
    call: { ask: "POST /v1/recoveries/{planned}/undo", body: {} },
    fault: "nothing_to_revert",
    exit: 5,
    says: /moved nothing/,
  },
];

const incident = (
  verb: string,
  which: string,
  says: RegExp,
  body: object = { reason: "x" },
): Row => ({
  name: `${verb} to the ${which} incident`,
  call: { ask: `POST /v1/incidents/{${which}}/${verb}`, body },
  ...{ fault: "state_forbids", exit: 5, says },
});
const incidents: readonly Row[] = [
  incident("done", "waiting", /frozen.*incident show inc_/),
  incident("hand-back", "waiting", /frozen.*incident show inc_/),
  incident("take", "taken", /taken.*incident show inc_/),
  incident("take", "closed", /closed/),
  incident("done", "closed", /closed/),
  incident("close", "closed", /closed/),
  {
    ...incident("gap", "waiting", /no post-mortem yet.*recovery is verified/, {
      gap: "review",
      because: "nobody looked",
    }),
    ...{ fault: "not_found", exit: 3 },
  },
  {
    name: "done without saying what",
    call: { ask: "POST /v1/incidents/{taken}/done", body: {} },
    fault: "bad_input",
    exit: 2,
    says: /body\/reason/,
  },
];

const messages: readonly Row[] = [
  {
    name: "a version that is not the latest",
    call: { ask: "PUT /v1/documents/pages/front", body: { body: 1, expect: 1 } },
    fault: "version_conflict",
    exit: 5,
    says: /2/,
  },
  {
    name: "a delivery that is over",
    call: { ask: "POST /v1/deliveries/{spent-delivery}/ack", body: {} },
    fault: "fenced",
    exit: 5,
    says: /dead letter|another|over/,
  },
  {
    name: "a delivery of no form",
    call: { ask: "POST /v1/deliveries/nonsense/ack", body: {} },
    fault: "bad_input",
    exit: 2,
    says: /delivery/,
  },
  {
    name: "a replay from nowhere",
    call: { ask: "POST /v1/consumers/marketing-v1/replay", body: { because: "x" } },
    fault: "bad_input",
    exit: 2,
    says: /fromSeq, or from/,
  },
  {
    name: "a reroute to two places",
    call: {
      ask: "POST /v1/dead-letters/{dead}/reroute",
      body: { agent: "marketing", role: "x", because: "x" },
    },
    fault: "bad_input",
    exit: 2,
    says: /one of consumer, agent and role/,
  },
  {
    name: "a deploy of no commit",
    call: { ask: "POST /v1/services/shop/deploy", body: { revision: "main" } },
    fault: "bad_input",
    exit: 2,
    says: /full id/,
  },
  {
    name: "a deploy of an unknown commit",
    call: { ask: "POST /v1/services/shop/deploy", body: { revision: "0".repeat(40) } },
    fault: "not_found",
    exit: 3,
    says: /push it/,
  },
  {
    name: "a reload without a file",
    call: { ask: "POST /v1/configuration/reload" },
    fault: "state_forbids",
    exit: 5,
    says: /--config|lastgood\.yaml/,
  },
];

export const actRows: readonly Row[] = [...plans, ...runs, ...incidents, ...messages];
