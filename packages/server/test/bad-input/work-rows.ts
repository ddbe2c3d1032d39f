/** Tasks and effects: what cannot be asked for, what is not one's own, and what their state does not allow. */
import type { Row as AnyRow, HttpCall } from "./row.ts";

type Row = AnyRow<HttpCall>;

const bad = { fault: "bad_input", exit: 2 } as const;
const missing = { fault: "not_found", exit: 3 } as const;
const others = { fault: "not_yours", exit: 4 } as const;
const forbidden = { fault: "state_forbids", exit: 5 } as const;
const fenced = { fault: "fenced", exit: 5, says: /open a new session/ } as const;
const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;

type Rest = Pick<Row, "fault" | "exit" | "says">;

const assign = (name: string, body: object, rest: Rest): Row => ({
  name: `a task ${name}`,
  call: { ask: "POST /v1/tasks", body: { id: "T-new", title: "Write it", ...body } },
  ...rest,
});
const assigned: readonly Row[] = [
  assign("that climbs", { id: "../x" }, { ...bad, says: /body\/id.*a task's id/ }),
  assign("without a title", { title: "  " }, { ...bad, says: /body\/title/ }),
  assign("with a NUL", { title: "a\u0000b" }, { ...bad, says: /NUL/ }),
  assign("with half a character", { title: "\ud83d" }, { ...bad, says: /well-formed/ }),
  assign("for two", { agent: "backend", role: "x" }, { ...bad, says: /not both/ }),
  assign("for nobody known", { agent: "bakcend" }, { ...missing, says: /bakcend.*declare it/ }),
  assign("for a role without agents", { role: "cooks" }, { ...missing, says: /cooks.*give it/ }),
  assign("with a key of no meaning", { priority: 1 }, { ...bad, says: /priority/ }),
  assign("of endless subtasks", { subtasks: Array(101).fill("x") }, { ...bad, says: /subtasks/ }),
  assign(
    "that writes elsewhere",
    { artifact: { path: "posts/../../etc/passwd" } },
    { ...bad, says: /inside the work tree/ },
  ),
  assign(
    "with details that are too large",
    { details: "x".repeat(70_000) },
    { fault: "too_large", exit: 2, says: /details has 70002 bytes.*a document or a file/ },
  ),
  assign(
    "under an id that is taken",
    { id: "T-done" },
    { fault: "already_exists", exit: 5, says: /T-done.*another id/ },
  ),
  {
    name: "a task that is too deep",
    call: { ask: "POST /v1/tasks", raw: `{"id":"T-new","title":"x","details":${deep}}` },
    ...{ fault: "too_deep", exit: 2, says: /64/ },
  },
  {
    name: "a task that is too large to be read",
    call: { ask: "POST /v1/tasks", body: { id: "T-new", title: "x", details: "x".repeat(2e6) } },
    ...{ fault: "too_large", exit: 2, says: /larger than this route takes/ },
  },
  {
    name: "a task in another's name",
    call: {
      ask: "POST /v1/tasks",
      as: "backend",
      body: { id: "T-new", title: "x", assigner: "marketing" },
    },
    ...others,
    says: /that agent's own token/,
  },
];

const act = (name: string, ask: string, body: object, rest: Rest, as = "backend"): Row => ({
  ...{ name, call: { ask: `POST /v1/tasks/${ask}`, as, body } },
  ...rest,
});
const session = "{backend-session}";
const acts: readonly Row[] = [
  { name: "no such task", call: { ask: "GET /v1/tasks/T-0" }, ...missing, says: /tasks list/ },
  act("claiming no such task", "T-0/claim", { session }, { ...missing, says: /tasks list/ }),
  act("claiming in no session", "T-free/claim", {}, { ...bad, says: /body\/session/ }),
  act(
    "claiming in an unknown session",
    "T-free/claim",
    { session: "sess_0" },
    { ...missing, says: /sess_0.*open one/ },
  ),
  act(
    "claiming in another's session",
    "T-free/claim",
    { session: "{marketing-session}" },
    { ...others, says: /marketing's and not backend's/ },
  ),
  act("claiming in a session that is over", "T-free/claim", { session: "{over-session}" }, fenced),
  act(
    "claiming another's task",
    "T-marketing/claim",
    { session },
    { ...others, says: /for marketing and not for backend/ },
  ),
  act(
    "claiming what another works on",
    "T-held/claim",
    { session },
    { fault: "target_busy", exit: 5, says: /by marketing in the session sess_.*wait/ },
  ),
  act(
    "completing what another works on",
    "T-held/complete",
    { session },
    { fault: "target_busy", exit: 5, says: /by marketing/ },
  ),
  act(
    "claiming what is blocked",
    "T-blocked/claim",
    { session },
    { ...forbidden, says: /blocked \(no access\).*tasks unblock/ },
  ),
  act(
    "completing what nobody claimed",
    "T-free/complete",
    { session },
    { ...forbidden, says: /pending.*claim it first/ },
  ),
  act(
    "completing with open subtasks",
    "T-mine/complete",
    { session },
    { ...forbidden, says: /T-mine.*not completed: 1/ },
  ),
  act(
    "a result that is too large",
    "T-mine/complete",
    { session, result: "x".repeat(70_000) },
    { fault: "too_large", exit: 2, says: /result has 70002 bytes/ },
  ),
  act(
    "a subtask that is not there",
    "T-mine/subtasks/9",
    { session, state: "completed" },
    { ...missing, says: /T-mine has no subtask 9/ },
  ),
  act(
    "a subtask of no number",
    "T-mine/subtasks/first",
    { session, state: "completed" },
    { ...bad, says: /path\/n/ },
  ),
  act(
    "a subtask that goes back",
    "T-mine/subtasks/1",
    { session, state: "pending" },
    { ...bad, says: /body\/state/ },
  ),
  act("blocking without a reason", "T-mine/block", { session }, { ...bad, says: /because/ }),
  act(
    "unblocking what is not blocked",
    "T-free/unblock",
    { because: "x" },
    { ...forbidden, says: /T-free is pending/ },
    "admin",
  ),
  act(
    "unblocking what is another's",
    "T-marketing/unblock",
    { because: "x" },
    { ...others, says: /neither for backend/ },
  ),
  act(
    "reopening what is not completed",
    "T-free/reopen",
    { because: "x" },
    { ...forbidden, says: /pending/ },
    "admin",
  ),
];

const begin = (name: string, body: object, rest: Rest): Row => ({
  name: `an effect ${name}`,
  call: {
    ask: "POST /v1/effects",
    as: "backend",
    body: { session, key: "never used", ...body },
  },
  ...rest,
});
const begun: readonly Row[] = [
  begin("in an unknown session", { session: "sess_0" }, { ...missing, says: /sess_0/ }),
  begin(
    "in another's session",
    { session: "{marketing-session}" },
    { ...others, says: /a session of your own/ },
  ),
  begin("in a session that is over", { session: "{over-session}" }, fenced),
  begin("without a key", { key: "" }, { ...bad, says: /body\/key/ }),
  begin("with an endless key", { key: "k".repeat(301) }, { ...bad, says: /body\/key/ }),
  begin("with a NUL in its key", { key: "a\u0000b" }, { ...bad, says: /NUL/ }),
  begin("of an unknown nature", { nature: "harmless" }, { ...bad, says: /body\/nature/ }),
  begin(
    "with a request that is too large",
    { request: "x".repeat(17_000) },
    { fault: "too_large", exit: 2, says: /request has 17002 bytes of JSON, and 16384/ },
  ),
  begin(
    "with a number that others read differently",
    { request: { amount: 2 ** 60 } },
    { ...bad, says: /\/amount.*2\^53/ },
  ),
  {
    name: "an effect that is too deep",
    call: {
      ask: "POST /v1/effects",
      as: "backend",
      raw: `{"session":"x","key":"k","request":${deep}}`,
    },
    ...{ fault: "too_deep", exit: 2, says: /64/ },
  },
  begin(
    "that is under way",
    { key: "under way" },
    { fault: "target_busy", exit: 5, says: /eff_[0-9a-f]+ is under way/ },
  ),
];

const end = (name: string, ask: string, body: object, rest: Rest, as = "backend"): Row => ({
  ...{ name, call: { ask: `POST /v1/effects/${ask}`, as, body } },
  ...rest,
});
const because = "I looked";
const ended: readonly Row[] = [
  {
    name: "no effect's id",
    call: { ask: "GET /v1/effects/eff_7" },
    ...{ ...bad, says: /24 hex digits/ },
  },
  {
    name: "no such effect",
    call: { ask: `GET /v1/effects/eff_${"0".repeat(24)}` },
    ...{ ...missing, says: /effects list/ },
  },
  end("confirming in no session", "{effect}/confirm", {}, { ...bad, says: /body\/session/ }),
  end(
    "confirming no such effect",
    `eff_${"0".repeat(24)}/confirm`,
    { session },
    { ...missing, says: /effects list/ },
  ),
  end(
    "confirming another's effect",
    "{unknown-effect}/confirm",
    { session },
    { ...others, says: /is marketing's.*an operator/ },
  ),
  end(
    "confirming with another result",
    "{effect}/confirm",
    { session, result: "other" },
    { ...forbidden, says: /is confirmed.*begin it again under its key/ },
  ),
  end(
    "a result of an effect that is too large",
    "{effect}/confirm",
    { session, result: "x".repeat(70_000) },
    { fault: "too_large", exit: 2, says: /result has 70002 bytes/ },
  ),
  end(
    "failing what is confirmed",
    "{effect}/fail",
    { session, error: "no" },
    { ...forbidden, says: /confirmed/ },
  ),
  end(
    "sending what may have happened",
    "{unknown-effect}/dispatch",
    { session: "{marketing-session}" },
    { fault: "effect_unknown", exit: 7, says: /effects settle eff_/ },
    "marketing",
  ),
  end(
    "settling without a session",
    "{unknown-effect}/settle",
    { happened: true, because },
    { ...bad, says: /living session/ },
    "marketing",
  ),
  end(
    "settling another's effect",
    "{unknown-effect}/settle",
    { happened: true, because, session },
    { ...others, says: /is marketing's/ },
  ),
  end(
    "settling without a reason",
    "{unknown-effect}/settle",
    { happened: true },
    { ...bad, says: /body\/because/ },
    "admin",
  ),
  end(
    "settling what is confirmed as never done",
    "{effect}/settle",
    { happened: false, because },
    { ...forbidden, says: /is confirmed/ },
    "admin",
  ),
];

export const workRows: readonly Row[] = [...assigned, ...acts, ...begun, ...ended];
