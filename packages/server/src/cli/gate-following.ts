import type { CheckResult, Client, GateRun } from "@lastgood/sdk";
import type { Terminal } from "./terminal.ts";

const waitMs = 10_000;

/** Waits for the end of a run of the gate, and tells how far it is meanwhile. */
export async function followRun(
  client: Client,
  terminal: Terminal,
  begun: GateRun,
): Promise<GateRun> {
  let run = begun;
  let told = "";
  while (run.state === "running") {
    const { done, total, says } = run.progress;
    const line = `${done} of ${total}: ${says}`;
    if (total === 0) told = line;
    if (line !== told && process.stderr.isTTY)
      process.stderr.write(`\r${line.slice(0, 100)}\u001b[K`);
    else if (line !== told && !terminal.json) process.stderr.write(`${line}\n`);
    told = line;
    run = await client.gateRun(run.id, { waitMs, done });
  }
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  return run;
}

const casesShown = 5;

/** Each check, and of what did not pass the first cases. */
export function showChecks(terminal: Terminal, checks: readonly CheckResult[]): void {
  terminal.table(
    ["CHECK", "BANK", "OUTCOME", "PASSED"],
    checks.map(({ check, bank, outcome, passed, cases }) => [
      check,
      bank,
      outcome,
      `${passed} of ${cases}`,
    ]),
  );
  for (const { check, outcome, says, results } of checks) {
    if (outcome === "passed") continue;
    terminal.line();
    terminal.line(`${check}: ${says}`);
    const bad = results.filter((each) => each.outcome !== "pass");
    // One alone is in what the check says already.
    if (bad.length === 1) continue;
    for (const each of bad.slice(0, casesShown)) terminal.line(`  ${each.case}: ${each.says}`);
    if (bad.length > casesShown) terminal.line(`  and ${bad.length - casesShown} more`);
  }
}
