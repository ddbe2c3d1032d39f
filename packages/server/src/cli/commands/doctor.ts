import type { Coverage, Finding, FindingKind } from "@lastgood/sdk";
import type { Command } from "commander";
import { faults } from "../../fault.ts";
import { withServer } from "../command.ts";
import type { Ink, Terminal } from "../terminal.ts";

export function doctorCommands(program: Command): void {
  program
    .command("doctor")
    .summary("what is protected, what is not, what is stale, and what mends it")
    .description(
      "Looks at everything and says what could not be put back, or would not be noticed, each with the\n" +
        "one command that mends it. Exits 0 even with findings, unless --strict.\n\n" +
        "  lastgood doctor\n" +
        "  lastgood doctor --strict --json",
    )
    .option("--strict", "exit 5 when something is broken or unprotected")
    .action(
      withServer<{ strict?: boolean }, []>(async ({ client, terminal }, { strict }) => {
        const coverage = await terminal.progress("looking at everything", client.coverage());
        terminal.result(coverage);
        print(terminal, coverage);
        const grave = coverage.findings.filter(
          ({ kind }) => kind === "broken" || kind === "unprotected",
        );
        if (strict === true && grave.length > 0) {
          // Not thrown: under --json the one value on stdout is the coverage.
          process.exitCode = faults.state_forbids.exit;
        }
      }),
    );
}

const inks: Readonly<Record<FindingKind, Ink>> = {
  broken: "red",
  unprotected: "yellow",
  stale: "cyan",
  noted: "dim",
};

function print(terminal: Terminal, { services, protects, findings }: Coverage): void {
  terminal.table(
    ["SERVICE", "CODE", "SERVED BY", "PROBED", "RERUN BY", "CALLS"],
    services.map(({ name, code, runtime, probes, sandbox, owner }) =>
      [name, code, runtime, probes, sandbox, owner].map((cell) => cell ?? "-"),
    ),
  );
  if (services.length > 0) terminal.line();
  for (const says of protects) terminal.line(`  ${says}`);
  if (protects.length > 0) terminal.line();
  for (const finding of findings) sayFinding(terminal, finding);
  const count = (kind: FindingKind) => findings.filter((each) => each.kind === kind).length;
  terminal.line(
    findings.length === 0
      ? "Nothing is missing."
      : `${count("broken")} broken, ${count("unprotected")} unprotected, ${count("stale")} stale, ${count("noted")} noted.`,
  );
}

function sayFinding(terminal: Terminal, { kind, about, says, mend }: Finding): void {
  terminal.line(`${terminal.ink(inks[kind], kind.padEnd(11))}  ${about}: ${says}`);
  terminal.line(`${" ".repeat(13)}${mend}`);
}
