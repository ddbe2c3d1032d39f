/** Checkpoints, briefs and inboxes: what is malformed, not one's own, or over. */
import type { Row as AnyRow, HttpCall } from "./row.ts";

type Row = AnyRow<HttpCall>;
type Rest = Pick<Row, "fault" | "exit" | "says">;

const bad = { fault: "bad_input", exit: 2 } as const;
const missing = { fault: "not_found", exit: 3 } as const;
const others = { fault: "not_yours", exit: 4 } as const;
const commit = "a".repeat(40);

const report = (name: string, body: object, rest: Rest, session = "{backend-session}"): Row => ({
  name: `a checkpoint ${name}`,
  call: {
    ask: `POST /v1/sessions/${session}/checkpoints`,
    as: "backend",
    body: { commit, message: "it [task:T-free]", ...body },
  },
  ...rest,
});
const checkpoints: readonly Row[] = [
  report("of half an id", { commit: "abc1234" }, { ...bad, says: /body\/commit.*full id/ }),
  report("that is an option", { commit: "--help" }, { ...bad, says: /body\/commit.*full id/ }),
  report("that says nothing", { message: "" }, { ...bad, says: /body\/message/ }),
  report("with a NUL", { message: "a\u0000b" }, { ...bad, says: /NUL/ }),
  report("of no time", { at: "noon" }, { ...bad, says: /noon.*2h/ }),
  report("with a mark of its own", { subtask: "3/5" }, { ...bad, says: /subtask/ }),
  report(
    "larger than a message may be",
    { message: "x".repeat(1_250_000) },
    { ...bad, says: /body\/message/ },
  ),
  report("of nobody's session", {}, { ...missing, says: /sess_0.*open one/ }, "sess_0"),
  report("of another's session", {}, { ...others, says: /of your own/ }, "{marketing-session}"),
  report(
    "of a session that is over",
    {},
    { fault: "fenced", exit: 5, says: /open a new session/ },
    "{over-session}",
  ),
  {
    name: "checkpoints without bound",
    call: { ask: "GET /v1/checkpoints?limit=1e9" },
    ...bad,
    says: /query\/limit/,
  },
];

const brief = (name: string, body: object, rest: Rest, agent = "backend"): Row => ({
  name: `a brief ${name}`,
  call: { ask: `POST /v1/agents/${agent}/brief`, as: "backend", body },
  ...rest,
});
const tree = {
  ...{ path: "/x", host: "h", readAt: "2026-09-21T08:00:00Z", source: "disk", branch: null },
  ...{ head: null, commits: [], files: [], more: 0, leftovers: [], unread: [] },
};
const briefs: readonly Row[] = [
  brief("of another", {}, { ...others, says: /that agent's own token/ }, "marketing"),
  brief("for no session", { session: "sess_0" }, { ...missing, says: /lastgood sessions/ }),
  brief(
    "for another's session",
    { session: "{marketing-session}" },
    { ...missing, says: /backend/ },
  ),
  brief("with half a work tree", { workTree: { path: "/x" } }, { ...bad, says: /workTree/ }),
  brief(
    "with a work tree of no time",
    { workTree: { ...tree, readAt: "now" } },
    { ...bad, says: /readAt/ },
  ),
  brief(
    "with more files than are read",
    { workTree: { ...tree, files: Array(501).fill({}) } },
    { ...bad, says: /workTree\/files/ },
  ),
  brief("with a key of no meaning", { maxTokens: 100 }, { ...bad, says: /maxTokens/ }),
  {
    name: "a brief of nobody",
    call: { ask: "POST /v1/agents/nobody/brief", body: {} },
    ...missing,
    says: /lastgood agents/,
  },
  {
    name: "a brief in no space at all",
    call: { ask: "POST /v1/agents/backend/brief/markdown", as: "backend", body: { maxTokens: 5 } },
    ...bad,
    says: /body\/maxTokens/,
  },
  {
    name: "the inbox of another",
    call: { ask: "GET /v1/inboxes/marketing", as: "backend" },
    ...others,
    says: /that agent's own token/,
  },
  {
    name: "the inbox of nobody",
    call: { ask: "GET /v1/inboxes/nobody" },
    ...missing,
    says: /messages consumers/,
  },
];

export const briefRows: readonly Row[] = [...checkpoints, ...briefs];
