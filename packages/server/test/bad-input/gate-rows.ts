/** The bank and the gate: checks that are none, what nobody may add from afar, and runs of what is not there. */
import type { Row as AnyRow, HttpCall } from "./row.ts";

type Row = AnyRow<HttpCall>;
type Rest = Pick<Row, "fault" | "exit" | "says">;

const bad = { fault: "bad_input", exit: 2 } as const;
const missing = { fault: "not_found", exit: 3 } as const;

const one = { name: "one", input: 1, expected: 1, evaluator: { kind: "exact" } };
const whole = { name: "spec-a/one", artifact: "spec-a", cases: [one] };

const add = (name: string, body: object, rest: Rest, as = "admin"): Row => ({
  name: `a check ${name}`,
  call: { ask: "POST /v1/checks", as, body: { ...whole, ...body } },
  ...rest,
});
const judgedBy = (name: string, evaluator: object, says: RegExp): Row =>
  add(name, { cases: [{ ...one, evaluator }] }, { ...bad, says });

const added: readonly Row[] = [
  add("that climbs out of the bank", { name: "../../etc/cron.d/x" }, { ...bad, says: /name/ }),
  add("at an absolute place", { name: "/etc/x" }, { ...bad, says: /name/ }),
  add("that hides", { name: ".git/config" }, { ...bad, says: /name/ }),
  add("without cases", { cases: [] }, { ...bad, says: /cases/ }),
  add("of endless cases", { cases: Array(2_001).fill(one) }, { ...bad, says: /cases/ }),
  add("with a case twice", { cases: [one, one] }, { ...bad, says: /two cases have one name/ }),
  add("that nothing can pass", { atLeast: 1.5 }, { ...bad, says: /atLeast/ }),
  add("that everything passes", { atLeast: 0 }, { ...bad, says: /atLeast/ }),
  add("of an unknown bank", { bank: "piggy" }, { ...bad, says: /bank/ }),
  add("about nothing", { artifact: "" }, { ...bad, says: /artifact/ }),
  judgedBy("that runs a command", { kind: "command", command: ["sh"] }, /evaluator/),
  judgedBy(
    "that takes a key elsewhere",
    { kind: "http", url: "http://x/", keyEnv: "HOME" },
    /evaluator/,
  ),
  judgedBy(
    "with a pattern that is none",
    { kind: "regex", pattern: "(" },
    /Invalid regular expression/,
  ),
  judgedBy("with a path that is none", { kind: "json-path", path: "a..b" }, /no JSON path/),
  judgedBy("with a tolerance that is none", { kind: "numeric", within: -1 }, /within/),
  add(
    "that expects nothing",
    { cases: [{ name: "one", input: 1, evaluator: { kind: "exact" } }] },
    { ...bad, says: /say what is expected/ },
  ),
  add("by an agent", {}, { fault: "forbidden", exit: 4, says: /needs the role/ }, "backend"),
];

const looked: readonly Row[] = [
  {
    name: "a check that is not there",
    call: { ask: "GET /v1/checks/spec-a%2Fnone" },
    ...missing,
    says: /lastgood checks list/,
  },
  {
    name: "a check outside the bank",
    call: { ask: "GET /v1/checks/..%2F..%2Fetc%2Fpasswd" },
    ...bad,
    says: /check's name/,
  },
  {
    name: "a run of the gate that is not there",
    call: { ask: "GET /v1/gate/runs/gate_none" },
    ...missing,
    says: /gate_none.*lastgood gate list/,
  },
  {
    name: "a run of the gate waited for without end",
    call: { ask: "GET /v1/gate/runs/gate_none?waitMs=86400000" },
    ...bad,
    says: /waitMs/,
  },
  {
    name: "a candidate that nobody published",
    call: { ask: "POST /v1/artifacts/spec-a/releases/99/gate", body: {} },
    ...missing,
    says: /no release spec-a:99/,
  },
  {
    name: "a candidate that nobody says how to ask",
    call: { ask: "POST /v1/artifacts/spec-a/releases/1/gate", body: {} },
    fault: "state_forbids",
    exit: 5,
    says: /set gate\.spec-a\.run/,
  },
  {
    name: "a gate for the latest",
    call: { ask: "POST /v1/artifacts/spec-a/releases/latest/gate", body: {} },
    ...bad,
    says: /another release tomorrow/,
  },
];

const learned: readonly Row[] = [
  {
    name: "a lesson of what is not pinned",
    call: { ask: "POST /v1/environments/production/pins/spec-none/learn", body: {} },
    ...missing,
    says: /spec-none is not pinned in production/,
  },
  {
    name: "a lesson of a rollout that is not there",
    call: { ask: "POST /v1/environments/production/pins/spec-a/learn", body: { rollout: "ro_x" } },
    ...missing,
    says: /no rollout ro_x/,
  },
  {
    name: "a lesson that an agent asks for",
    call: { ask: "POST /v1/environments/production/pins/spec-a/learn", as: "backend", body: {} },
    ...{ fault: "forbidden", exit: 4, says: /needs the role/ },
  },
  {
    name: "a lesson that is not there",
    call: { ask: "GET /v1/learning/lrn_none" },
    ...missing,
    says: /lrn_none.*lastgood checks learn/,
  },
];

export const gateRows: readonly Row[] = [...added, ...looked, ...learned];
