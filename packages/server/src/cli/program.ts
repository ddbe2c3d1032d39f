import { Command } from "commander";
import { ownVersion } from "../own-build.ts";
import { accessCommands } from "./commands/access.ts";
import { backupCommands } from "./commands/backup.ts";
import { codeCommands } from "./commands/code.ts";
import { configCommands } from "./commands/config.ts";
import { deadLettersCommands } from "./commands/dead-letters.ts";
import { doctorCommands } from "./commands/doctor.ts";
import { drillCommands } from "./commands/drill.ts";
import { incidentCommands } from "./commands/incidents.ts";
import { initCommands } from "./commands/init.ts";
import { ledgerCommands } from "./commands/ledger.ts";
import { messagesCommands } from "./commands/messages.ts";
import { pageCommands } from "./commands/pages.ts";
import { recoveryCommands } from "./commands/recovery.ts";
import { runtimeCommands } from "./commands/runtime.ts";
import { serverCommands } from "./commands/server.ts";
import { signalsCommands } from "./commands/signals.ts";
import { stateCommands } from "./commands/state.ts";

/** The whole command line. Help is grouped by what a person wants to do. */
export function createProgram(): Command {
  const program = new Command("lastgood")
    .description("Returns a fleet of AI agents to its last good state.")
    .option("--url <url>", "the server (LASTGOOD_URL; default http://127.0.0.1:7440)")
    .option("--token <token>", "the token (LASTGOOD_TOKEN; default: the local server's own)")
    .option("--home <folder>", "where a local server keeps its data (LASTGOOD_HOME)")
    .option("--json", "print one JSON value on stdout and nothing else")
    .version(ownVersion(), "--version", "print the version")
    .showHelpAfterError("Run with --help to see what it takes.")
    .exitOverride();
  serverCommands(program);
  accessCommands(program);
  backupCommands(program);
  initCommands(program);
  configCommands(program);
  ledgerCommands(program);
  codeCommands(program);
  messagesCommands(program);
  deadLettersCommands(program);
  incidentCommands(program);
  recoveryCommands(program);
  pageCommands(program);
  doctorCommands(program);
  drillCommands(program);
  runtimeCommands(program);
  signalsCommands(program);
  stateCommands(program);
  return program;
}
