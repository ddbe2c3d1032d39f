/** What is typed wrong. Each row runs the real program, with `--json`. */
import type { Row as AnyRow, CommandLine } from "./row.ts";

type Row = AnyRow<CommandLine>;

const bad = { fault: "bad_input", exit: 2 } as const;

function typed(
  line: string,
  rest: Pick<Row, "fault" | "exit" | "says">,
  environment: CommandLine["environment"] = {},
): Row {
  return {
    name: [...Object.values(environment), `lastgood ${line}`].join(" "),
    call: { argv: wordsOf(line), environment },
    ...rest,
  };
}

/** Words are apart by spaces; `''` is an empty one. */
function wordsOf(line: string): readonly string[] {
  return line.split(" ").map((word) => (word === "''" ? "" : word));
}

const usage: readonly Row[] = [
  typed("incidnet list", { ...bad, says: /unknown command.*Did you mean incident.*--help/s }),
  typed("incident", { ...bad, says: /A command is missing.*--help/ }),
  typed("incident take", { ...bad, says: /missing required argument 'id'.*--help/ }),
  typed("incident gap {waiting} luck unlucky", {
    ...bad,
    says: /body\/gap.*shadow-window.*none-possible/,
  }),
  typed("incident answer {waiting}", { ...bad, says: /answer one at least: whyNotCaughtLive/ }),
  typed("changes --agnet backend", { ...bad, says: /unknown option.*Did you mean --agent/s }),
  typed("changes --since soon", { ...bad, says: /2h/ }),
  typed("changes --limit many", { ...bad, says: /limit/ }),
  typed("freeze ''", { ...bad, says: /body\/reason/ }),
  typed("start --port 99999", { ...bad, says: /0 to 65535/ }),
];

const drills: readonly Row[] = [
  typed("drill run october", { fault: "not_found", exit: 3, says: /there is september/ }),
  typed("drill run september --seed seven", { ...bad, says: /whole number/ }),
  typed("drill run september --variant odd", { ...bad, says: /it has plain, same-file/ }),
];

const files: readonly Row[] = [
  typed("config check {folder}/bad.yaml", {
    fault: "bad_configuration",
    exit: 2,
    says: /bad\.yaml:3:\d+.*services\.shop\.ownr.*did you mean owner/s,
  }),
  typed("config check {folder}/nothing.yaml", {
    fault: "not_found",
    exit: 3,
    says: /nothing\.yaml.*lastgood init/,
  }),
  typed("config set mode atuo --file {folder}/good.yaml", {
    fault: "bad_configuration",
    exit: 2,
    says: /watch, propose or auto/,
  }),
  typed("state put pages/front {half", { ...bad, says: /not JSON/ }),
  typed("state get front", { ...bad, says: /collection\/id/ }),
  typed("restore {folder}/nothing --home {folder}/home", {
    fault: "not_found",
    exit: 3,
    says: /nothing.*lastgood backup/,
  }),
];

const checkpoints: readonly Row[] = [
  typed("checkpoint -m draft", { ...bad, says: /required option.*--task/ }),
  typed("checkpoint -m draft --task T-1 --subtask 6/5", { ...bad, says: /write it as 3\/5/ }),
  typed("checkpoint -m draft[task:T-2] --task T-1", { ...bad, says: /leave marks out/ }),
  typed("brief nobody", { fault: "not_found", exit: 3, says: /lastgood agents/ }),
  typed("brief backend --markdown --max-tokens 5", { ...bad, says: /maxTokens/ }),
  typed("inbox nobody", { fault: "not_found", exit: 3, says: /messages consumers/ }),
];

const servers: readonly Row[] = [
  typed(
    "changes",
    { fault: "server_unreachable", exit: 6, says: /lastgood start.*--url/ },
    { LASTGOOD_URL: "http://127.0.0.1:9" },
  ),
  typed("changes", { ...bad, says: /http:\/\/127\.0\.0\.1:7440/ }, { LASTGOOD_URL: "nowhere" }),
  typed(
    "changes",
    { fault: "unauthenticated", exit: 4, says: /token create/ },
    { LASTGOOD_TOKEN: "wrong" },
  ),
  typed("recover run {planned} --digest 0", { ...bad, says: /64 hex digits/ }),
  typed("recover run {conflicting}", { fault: "revert_conflicts", exit: 7, says: /a\.txt/ }),
  typed("recover plan --change {far}", { fault: "layer_unreachable", exit: 6, says: /down\.git/ }),
];

const work: readonly Row[] = [
  typed("tasks show T-0", { fault: "not_found", exit: 3, says: /tasks list/ }),
  typed("tasks assign T-new x --details {half", { ...bad, says: /details are not JSON/ }),
  typed("tasks unblock T-blocked", { ...bad, says: /--because.*--help/s }),
  typed("effects settle {unknown-effect} --because x", {
    ...bad,
    says: /--happened.*--did-not-happen/,
  }),
];

const fleet: readonly Row[] = [
  typed("agents release nobody why", { fault: "not_found", exit: 3, says: /lastgood agents/ }),
  typed("sessions show sess_no", { fault: "not_found", exit: 3, says: /lastgood sessions/ }),
  typed("sessions --state odd", { ...bad, says: /state/ }),
  typed("stats --since soon", { ...bad, says: /2h/ }),
  typed("agent run true", { ...bad, says: /LASTGOOD_AGENT/ }),
  typed("agent run --agent ../up true", { ...bad, says: /no agent's name/ }),
  typed("agent run --agent backend --restart maybe true", { ...bad, says: /on-crash, always/ }),
  typed("agent run --agent backend --max-restarts x true", { ...bad, says: /number of times/ }),
  typed("agent run --agent backend --lease 1ms true", { ...bad, says: /1000 ms to/ }),
  typed("hooks install cursor", { fault: "not_found", exit: 3, says: /claude-code/ }),
  typed("hooks remove --scope world", { ...bad, says: /project, local or user/ }),
];

export const commandRows: readonly Row[] = [
  ...usage,
  ...drills,
  ...files,
  ...servers,
  ...work,
  ...checkpoints,
  ...fleet,
];
