import type { Agent, Distribution, FleetStats, Session } from "@lastgood/sdk";
import type { Command } from "commander";
import { withServer } from "../command.ts";
import type { Terminal } from "../terminal.ts";

export function fleetCommands(program: Command): void {
  agentsCommands(program);
  sessionsCommands(program);
  statsCommand(program);
}

function agentsCommands(program: Command): void {
  const agents = program
    .command("agents")
    .summary("who works here, and how each is doing; let a parked one start again")
    .description(
      "Lists every agent, declared in lastgood.yaml or seen, with what it does now. One that died three\n" +
        "times within a minute is parked until a person has looked.\n\n" +
        "  lastgood agents\n" +
        '  lastgood agents release marketing "its token had expired"',
    )
    .action(
      withServer<object, []>(async ({ client, terminal }) => {
        const found = await client.agents();
        terminal.result(found);
        terminal.table(
          ["AGENT", "STATE", "ROLES", "SESSION", "LAST ENDED", "DEATHS 24H", "NOTE"],
          found.agents.map((each) => [
            each.name,
            each.state,
            each.roles.join(" "),
            each.session ?? "",
            lastEndOf(each),
            each.deaths === 0 ? "" : String(each.deaths),
            noteOn(each),
          ]),
        );
        if (found.agents.length === 0) {
          terminal.line("No agent is declared in lastgood.yaml, and none has opened a session.");
        }
      }),
    );
  agents
    .command("release")
    .argument("<agent>", "a parked or contained one")
    .argument("<why>", "what was found, and what was done about it; kept in the audit")
    .summary("let an agent act again that is parked or contained")
    .description(
      "Lets a parked agent start again; the page about it is settled. One that incidents contain is free of all of\n" +
        "them: its tokens work, and what it pushed is deployed.\n\n" +
        '  lastgood agents release marketing "its token had expired"',
    )
    .action(
      withServer<object, [string, string]>(async ({ client, terminal }, _, name, why) => {
        const agent = await client.releaseAgent(name, why);
        terminal.result(agent);
        terminal.line(`${agent.name} may start again: open a session, or run it.`);
      }),
    );
}

function lastEndOf({ last }: Agent): string {
  if (last === null || last.ended_at === null) return "";
  return `${last.exit_reason} ${clock(last.ended_at)}`;
}

function noteOn({ declared, parked }: Agent): string {
  return [
    ...(parked === null ? [] : [`parked: ${parked.because}`]),
    ...(declared ? [] : ["not in lastgood.yaml"]),
  ].join("; ");
}

function sessionsCommands(program: Command): void {
  const sessions = program
    .command("sessions")
    .summary("the runs of agents: when each began, and how it ended")
    .description(
      "Lists sessions, newest first.\n\n" +
        "  lastgood sessions --agent marketing --since 24h\n" +
        "  lastgood sessions --state live\n" +
        "  lastgood sessions show sess_20260921_083015_marketing",
    )
    .option("--agent <name>", "of this agent")
    .option("--since <when>", "began since an ISO time, or a span back from now such as 24h")
    .option("--state <which>", "live, ended or all", "all")
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 100)
    .action(
      withServer<
        { agent?: string; since?: string; state: "live" | "ended" | "all"; limit: number },
        []
      >(async ({ client, terminal }, { agent, since, state, limit }) => {
        const page = await client.sessions({ agent, since, state, limit });
        terminal.result(page);
        terminal.table(
          ["SESSION", "DOOR", "STATE", "BEGAN", "ENDED", "WHAT WAS SEEN"],
          page.sessions.map((each) => [
            each.record.session_id,
            each.door,
            stateOf(each),
            clock(each.record.started_at),
            each.record.ended_at === null ? "" : clock(each.record.ended_at),
            each.detail.slice(0, 70),
          ]),
        );
        if (page.sessions.length === 0) terminal.line("No session fits.");
        if (page.more) terminal.line("There are more: narrow it, or raise --limit.");
      }),
    );
  sessions
    .command("show")
    .argument("<id>")
    .summary("one session, with what was done in it")
    .description("Shows one session.\n\n  lastgood sessions show sess_20260921_083015_marketing")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _, id) => {
        const found = await client.sessionOf(id);
        terminal.result(found);
        showSession(terminal, found);
      }),
    );
}

function stateOf({ state, record }: Session): string {
  return record.exit_reason ?? state;
}

function showSession(terminal: Terminal, session: Session): void {
  const { record, workTree } = session;
  const facts: readonly (readonly [string, string | null])[] = [
    ["agent", `${record.agent}, epoch ${session.epoch}, through ${session.door}`],
    ["began", record.started_at],
    ["ended", record.ended_at],
    ["because", session.detail === "" ? null : session.detail],
    ["noticed", session.detectedAt],
    ["heard last", session.lastHeardAt],
    ["lease until", session.leaseUntil],
    ["work tree", workTree?.path ?? null],
    ["tasks", listed(record.tasks_started)],
    ["completed", listed(record.tasks_completed)],
    ["commits", listed(record.commits.map((each) => each.slice(0, 12)))],
    ["messages", String(record.messages_processed)],
    ["tokens", `${record.token_usage}, of those on recovery ${session.tokensOnRecovery}`],
    ["before it", session.previous],
  ];
  terminal.line(`${terminal.ink("bold", record.session_id)} is ${stateOf(session)}`);
  for (const [name, value] of facts) {
    if (value !== null) terminal.line(`${name.padEnd(12)} ${value}`);
  }
}

function listed(all: readonly string[]): string | null {
  const shown = all.slice(-10).join(" ");
  if (all.length === 0) return null;
  return all.length > 10 ? `${all.length}, the last: ${shown}` : shown;
}

function statsCommand(program: Command): void {
  program
    .command("stats")
    .summary("restarts: how fast they were noticed and recovered from, and what they cost")
    .description(
      "Tells of the sessions that began since then, as distributions.\n\n" +
        "  lastgood stats\n" +
        "  lastgood stats --since 7d --agent marketing",
    )
    .option("--since <when>", "an ISO time, or a span back from now", "24h")
    .option("--agent <name>", "of this agent alone")
    .action(
      withServer<{ since: string; agent?: string }, []>(
        async ({ client, terminal }, { since, agent }) => {
          const stats = await client.fleetStats(agent === undefined ? { since } : { since, agent });
          terminal.result(stats);
          if (!terminal.json) showStats(terminal, stats);
        },
      ),
    );
}

function showStats(terminal: Terminal, stats: FleetStats): void {
  const ends = Object.entries(stats.ended).map(([reason, count]) => `${count} ${reason}`);
  terminal.line(
    `${stats.sessions} sessions since ${clock(stats.since)}, ${stats.restarts} after a death`,
  );
  if (ends.length > 0) terminal.line(`ended: ${ends.join(", ")}`);
  terminal.line();
  terminal.table(
    ["", "COUNT", "LEAST", "MEDIAN", "95 %", "MOST"],
    [
      row("death noticed", stats.detectionMs, span),
      row("brief delivered", stats.briefedMs, span),
      row("back at work", stats.recoveryMs, span),
      row("tokens on recovery", stats.tokensOnRecovery, String),
    ],
  );
  terminal.line();
  const { messages, effects } = stats.duplicatesPrevented;
  terminal.line(`not done twice: ${messages} messages, ${effects} effects`);
  if (stats.recoveryShare !== null) {
    terminal.line(`of all tokens, ${(stats.recoveryShare * 100).toFixed(2)} % went into recovery`);
  }
}

function row(
  name: string,
  { count, min, p50, p95, max }: Distribution,
  say: (value: number) => string,
): readonly string[] {
  const said = [min, p50, p95, max].map((value) => (value === null ? "-" : say(value)));
  return [name, String(count), ...said];
}

function span(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(ms < 60_000 ? 1 : 0)} s`;
}

function clock(at: string): string {
  return at.slice(0, 19).replace("T", " ");
}
