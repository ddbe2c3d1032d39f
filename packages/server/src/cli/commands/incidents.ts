import type { Incident, IncidentSummary, Suspect } from "@lastgood/sdk";
import type { Command } from "commander";
import { type Context, withServer } from "../command.ts";
import type { Terminal } from "../terminal.ts";
import { postMortemCommands } from "./post-mortem.ts";

export function incidentCommands(program: Command): void {
  const incident = program
    .command("incident")
    .summary("what went wrong, what did it, and who has it")
    .description(
      "Incidents: see them, take one, say that it is put right, give it back, write it up, close it.\n\n" +
        "  lastgood incident show\n" +
        "  lastgood incident take inc_1mf3k9q7x2ap",
    );
  listCommand(incident);
  showCommand(incident);
  personCommands(incident);
  postMortemCommands(incident);
  freezeCommands(program);
  wouldHaveCommand(program);
}

function listCommand(incident: Command): void {
  incident
    .command("list")
    .summary("the open ones, newest first")
    .description(
      "Lists incidents, newest first.\n\n  lastgood incident list\n  lastgood incident list --state all",
    )
    .option("--state <which>", "open, closed or all", "open")
    .option("--limit <n>", "at most this many (1 to 1000)", Number, 100)
    .action(
      withServer<{ state: "open" | "closed" | "all"; limit: number }, []>(
        async ({ client, terminal }, { state, limit }) => {
          const page = await client.incidents({ state, limit });
          const { freeze } = await client.frozen();
          terminal.result({ ...page, freeze });
          if (freeze !== null) {
            terminal.line(
              terminal.ink(
                "bold",
                `Everything automatic is frozen by ${freeze.by}: ${freeze.reason}`,
              ),
            );
          }
          terminal.table(
            ["INCIDENT", "SEVERITY", "STATE", "SINCE", "WHAT", "WHERE IT STANDS"],
            page.incidents.map((each) => [
              each.id,
              each.severity,
              each.state,
              each.onset.slice(0, 19).replace("T", " "),
              each.title.slice(0, 60),
              each.because.slice(0, 80),
            ]),
          );
          if (page.incidents.length === 0) {
            terminal.line(state === "open" ? "No incident is open." : "There is no incident.");
          }
          if (page.more) terminal.line("There are more: raise --limit.");
        },
      ),
    );
}

function showCommand(incident: Command): void {
  incident
    .command("show")
    .argument("[id]", "which one; without it the newest open one")
    .summary("what is broken, since when, what did it and how sure, and what you can do")
    .description(
      "Shows one incident: what is broken, since when, every suspect with its evidence, what\n" +
        "Lastgood does about it, and the commands that are yours.\n\n" +
        "  lastgood incident show\n  lastgood incident show inc_1mf3k9q7x2ap",
    )
    .action(
      withServer<object, [string | undefined]>(async ({ client, terminal }, _, id) => {
        const named = id ?? (await client.incidents({ limit: 1 })).incidents[0]?.id;
        if (named === undefined) {
          terminal.result(null);
          terminal.line(
            "No incident is open. See the closed ones: lastgood incident list --state all",
          );
          return;
        }
        const found = await client.incident(named);
        terminal.result(found);
        if (!terminal.json) showIncident(terminal, found);
      }),
    );
}

function personCommands(incident: Command): void {
  incident
    .command("take")
    .argument("<id>")
    .argument("[reason]", "what you are about to do")
    .summary("it is yours: nothing automatic touches its services any more")
    .description(
      'Takes an incident.\n\n  lastgood incident take inc_1mf3k9q7x2ap "I restart the pool"',
    )
    .action(
      withServer<object, [string, string | undefined]>(async (context, _, id, reason) => {
        told(context, await context.client.takeIncident(id, reason ?? ""));
      }),
    );
  incident
    .command("done")
    .argument("<id>")
    .argument("<what>", "what you did")
    .summary("you have put it right: Lastgood proves it, replays, resumes and writes up")
    .description(
      "Ends your part. Lastgood reads the world, replays what was held or had failed, resumes the\n" +
        'work and writes up, with your acts in the timeline.\n\n  lastgood incident done inc_1mf3k9q7x2ap "recreated the index"',
    )
    .action(
      withServer<object, [string, string]>(async (context, _, id, what) => {
        told(context, await context.client.finishIncident(id, what));
      }),
    );
  incident
    .command("hand-back")
    .argument("<id>")
    .argument("[reason]")
    .summary("automation goes on with it")
    .description("Gives an incident back.\n\n  lastgood incident hand-back inc_1mf3k9q7x2ap")
    .action(
      withServer<object, [string, string | undefined]>(async (context, _, id, reason) => {
        told(context, await context.client.handBackIncident(id, reason ?? ""));
      }),
    );
  incident
    .command("close")
    .argument("<id>")
    .argument("<reason>", "kept with it, and in the audit")
    .summary("it needs nothing more")
    .description(
      "Closes an incident that needs no recovery, or one that is over and cannot get its check.\n\n" +
        '  lastgood incident close inc_1mf3k9q7x2ap "a load test, announced in chat"',
    )
    .action(
      withServer<object, [string, string]>(async (context, _, id, reason) => {
        told(context, await context.client.closeIncident(id, reason));
      }),
    );
}

function freezeCommands(program: Command): void {
  program
    .command("freeze")
    .argument("<reason>", "shown to everybody until the thaw")
    .summary("stop everything automatic, at once")
    .description(
      'Nothing automatic moves anything until `lastgood thaw`.\n\n  lastgood freeze "database migration until 14:00"',
    )
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _, reason) => {
        const freeze = await client.freeze(reason);
        terminal.result(freeze);
        terminal.line(`Frozen by ${freeze.by} at ${freeze.at}: ${freeze.reason}`);
        terminal.line("Let it go on with: lastgood thaw");
      }),
    );
  program
    .command("thaw")
    .argument("[reason]")
    .summary("let automation go on")
    .description(
      "Ends the freeze. What Lastgood would have put right meanwhile is looked at again.\n\n  lastgood thaw",
    )
    .action(
      withServer<object, [string | undefined]>(async ({ client, terminal }, _, reason) => {
        const { was } = await client.thaw(reason ?? "");
        terminal.result({ was });
        terminal.line(
          was === null
            ? "Nothing was frozen."
            : `Thawed; it was frozen by ${was.by}: ${was.reason}`,
        );
      }),
    );
}

function wouldHaveCommand(program: Command): void {
  program
    .command("would-have")
    .summary("what Lastgood would have done, against what people did")
    .description(
      "Lists the decisions that Lastgood did not act on, and what people did instead. With --since it\n" +
        "also replays the history on recorded samples.\n\n" +
        "  lastgood would-have\n  lastgood would-have --since 90d",
    )
    .option(
      "--since <when>",
      "an ISO time, or a span back from now such as 90d; replays since then",
    )
    .action(
      withServer<{ since?: string }, []>(async ({ client, terminal }, { since }) => {
        const found = await terminal.progress(
          "replaying",
          client.wouldHave(since === undefined ? {} : { since }),
        );
        terminal.result(found);
        terminal.table(
          ["AT", "SERVICE", "WOULD HAVE", "SURE", "WHAT", "PEOPLE"],
          found.decisions.map((each) => [
            `${each.at.slice(0, 19).replace("T", " ")}${each.incident === null ? " (replayed)" : ""}`,
            each.service,
            each.would === "run" ? "put it back" : "called a person",
            percent(each.posterior),
            each.says.slice(0, 70),
            each.peopleSay.slice(0, 70),
          ]),
        );
        if (found.decisions.length === 0) terminal.line("There is no decision it did not act on.");
        for (const each of found.notReplayed)
          terminal.line(terminal.ink("dim", `Not replayed: ${each}`));
      }),
    );
}

function told({ terminal }: Context, incident: IncidentSummary): void {
  terminal.result(incident);
  terminal.line(`${incident.id} is ${incident.state}: ${incident.because}`);
  terminal.line(`See it with: lastgood incident show ${incident.id}`);
}

/** What a person sees at three in the morning, the most needed first. */
function showIncident(terminal: Terminal, incident: Incident): void {
  const { ink, line } = terminal;
  const grave = incident.severity === "low" ? "yellow" : "red";
  line(ink(["bold", grave], `${incident.severity.toUpperCase()}  ${incident.title}`));
  line(`${incident.id} is ${ink("bold", incident.state)}: ${incident.because}`);
  line();
  line(ink("bold", "What is broken"));
  for (const symptom of incident.symptoms) {
    line(`  ${symptom.says}`);
    line(
      ink(
        "dim",
        `  since ${clock(symptom.onset)}, noticed ${after(symptom.onset, symptom.detectedAt)}`,
      ),
    );
  }
  if (incident.symptoms.length === 0) line("  no rule: it was reported");
  line();
  showSuspects(terminal, incident);
  showDecision(terminal, incident);
  showTimeline(terminal, incident);
  line(ink("bold", "What you can do"));
  for (const command of incident.next) line(`  ${command}`);
  if (incident.next.length === 0) {
    line(incident.state === "closed" ? "  nothing: it is closed" : "  wait: it goes on by itself");
  }
}

function showSuspects(terminal: Terminal, { suspects, none, reruns }: Incident): void {
  const { ink, line } = terminal;
  line(ink("bold", "What did it"));
  if (none === null) {
    line("  not known yet");
    line();
    return;
  }
  const shown = suspects.filter((each) => each.excluded === null).slice(0, 10);
  const rows = shown.map((each) => [
    percent(each.posterior),
    bar(each.posterior),
    nameOf(each),
    each.agent,
    factor(each.factors.contrast),
    factor(each.factors.scope),
    factor(each.factors.time),
    factor(each.factors.rerun),
    each.witnesses.join(" + ") || "-",
  ]);
  terminal.table(
    ["  SURE", "", "CHANGE", "BY", "CONTRAST", "SCOPE", "TIME", "RERUN", "WITNESSES"],
    [
      ...rows,
      [percent(none.posterior), bar(none.posterior), "none of them", "", "", "", "", "", ""],
    ].map(([sure, ...rest]) => [`  ${sure}`, ...rest]),
  );
  for (const suspect of shown.slice(0, 3)) {
    line(`  ${ink("bold", nameOf(suspect))} "${suspect.reason.slice(0, 80)}"`);
    for (const observation of suspect.observations) line(ink("dim", `    ${observation}`));
  }
  for (const observation of none.observations) line(ink("dim", `  none of them: ${observation}`));
  const more = suspects.length - shown.length;
  if (more > 0) line(ink("dim", `  and ${more} more, excluded or less likely (--json has them)`));
  if (reruns.length > 0) {
    line(ink("dim", `  ${reruns.length} reruns of the check in sandboxes, production untouched`));
  }
  line();
}

function showDecision(terminal: Terminal, { decision, recovery }: Incident): void {
  const { ink, line } = terminal;
  line(ink("bold", "What Lastgood does"));
  if (decision === null) line("  still looking; nothing was moved");
  else {
    const acts = {
      run: "puts it back by itself",
      propose: "has a plan, and waits for your approval",
      watch: `only watches; would have ${decision.would === "run" ? "put it back" : "called a person"}`,
      freeze: "stopped, and called a person",
      none: "moves nothing",
    } as const;
    line(`  ${acts[decision.act]} (mode ${decision.mode})`);
    for (const because of decision.because) line(ink("dim", `    ${because}`));
    if (recovery !== null) line(`  the plan: lastgood recover show ${recovery}`);
  }
  line();
}

function showTimeline(terminal: Terminal, { timeline, onset }: Incident): void {
  const { ink, line } = terminal;
  const shown = timeline.slice(-15);
  if (shown.length === 0) return;
  line(ink("bold", "What happened"));
  if (timeline.length > shown.length) {
    line(ink("dim", `  ${timeline.length - shown.length} earlier events (--json has them)`));
  }
  for (const { at, actor, text } of shown) {
    line(`  ${after(onset, at).padStart(10)}  ${actor}: ${text.slice(0, 160)}`);
  }
  line();
}

function nameOf({ layer, target, to }: Suspect): string {
  if (to === null) return `${layer} ${target}`;
  return layer === "code" ? `${target} ${to.slice(0, 7)}` : `${target} ${to.slice(0, 12)}`;
}

function bar(share: number): string {
  const full = Math.round(share * 10);
  return "#".repeat(full) + ".".repeat(10 - full);
}

function percent(share: number): string {
  const tenths = Math.floor(share * 1_000) / 10;
  return `${share > 0 && tenths === 0 ? "<0.1" : tenths} %`;
}

/** A factor as it speaks: `x 99`, `x 0.3`, `-` when it says nothing. */
function factor(value: number): string {
  if (value === 1) return "-";
  return `x ${value >= 10 ? Math.round(value) : Number(value.toPrecision(2))}`;
}

function clock(at: string): string {
  return `${at.slice(0, 19).replace("T", " ")} UTC`;
}

function after(from: string, at: string): string {
  const ms = new Date(at).getTime() - new Date(from).getTime();
  const sign = ms < 0 ? "-" : "+";
  const seconds = Math.abs(ms) / 1_000;
  if (seconds < 90) return `${sign}${seconds.toFixed(1)} s`;
  if (seconds < 5_400) return `${sign}${Math.round(seconds / 60)} min`;
  return `${sign}${(seconds / 3_600).toFixed(1)} h`;
}
