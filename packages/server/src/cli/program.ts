import { Command } from "commander";
import { ownVersion } from "../own-build.ts";
import { accessCommands } from "./commands/access.ts";
import { agentRunCommands } from "./commands/agent-run.ts";
import { backupCommands } from "./commands/backup.ts";
import { briefCommands } from "./commands/brief.ts";
import { checkpointCommands } from "./commands/checkpoint.ts";
import { checksCommands } from "./commands/checks.ts";
import { codeCommands } from "./commands/code.ts";
import { configCommands } from "./commands/config.ts";
import { deadLettersCommands } from "./commands/dead-letters.ts";
import { doctorCommands } from "./commands/doctor.ts";
import { drillCommands } from "./commands/drill.ts";
import { effectsCommands } from "./commands/effects.ts";
import { executionsCommands } from "./commands/executions.ts";
import { fleetCommands } from "./commands/fleet.ts";
import { gateCommands } from "./commands/gate.ts";
import { gatewayCommands } from "./commands/gateway.ts";
import { hooksCommands } from "./commands/hooks.ts";
import { importCommands } from "./commands/import.ts";
import { incidentCommands } from "./commands/incidents.ts";
import { initCommands } from "./commands/init.ts";
import { judgementsCommands } from "./commands/judgements.ts";
import { ledgerCommands } from "./commands/ledger.ts";
import { mcpCommands } from "./commands/mcp.ts";
import { messagesCommands } from "./commands/messages.ts";
import { pageCommands } from "./commands/pages.ts";
import { pinCommands } from "./commands/pins.ts";
import { recoveryCommands } from "./commands/recovery.ts";
import { releaseCommands } from "./commands/releases.ts";
import { rolloutCommands } from "./commands/rollouts.ts";
import { runtimeCommands } from "./commands/runtime.ts";
import { serverCommands } from "./commands/server.ts";
import { signalsCommands } from "./commands/signals.ts";
import { simulateCommands } from "./commands/simulate.ts";
import { skillsCommands } from "./commands/skills.ts";
import { stateCommands } from "./commands/state.ts";
import { tasksCommands } from "./commands/tasks.ts";
import { workTreesCommands } from "./commands/work-trees.ts";
import { helpStyle } from "./help.ts";

/** The whole command line. Help is grouped by what a person wants to do. */
export function createProgram(): Command {
  const program = new Command("lastgood")
    .description("Returns a fleet of AI agents to its last good state.")
    .option("--url <url>", "the server (LASTGOOD_URL; default http://127.0.0.1:7440)")
    .option("--token <token>", "the token (LASTGOOD_TOKEN; default: the local server's own)")
    .option("--home <folder>", "where a local server keeps its data (LASTGOOD_HOME)")
    .option("--json", "print one JSON value on stdout and nothing else")
    .version(ownVersion(), "--version", "print the version")
    .configureHelp(helpStyle)
    .showHelpAfterError("Run with --help to see what it takes.")
    .exitOverride();
  program.commandsGroup("To begin:");
  serverCommands(program);
  drillCommands(program);
  initCommands(program);
  doctorCommands(program);
  program.commandsGroup("When something is wrong:");
  incidentCommands(program);
  recoveryCommands(program);
  pageCommands(program);
  skillsCommands(program);
  program.commandsGroup("To see how it goes:");
  ledgerCommands(program);
  runtimeCommands(program);
  signalsCommands(program);
  judgementsCommands(program);
  simulateCommands(program);
  program.commandsGroup("What runs:");
  releaseCommands(program);
  pinCommands(program);
  executionsCommands(program);
  gatewayCommands(program);
  rolloutCommands(program);
  checksCommands(program);
  gateCommands(program);
  importCommands(program);
  program.commandsGroup("Who works:");
  fleetCommands(program);
  agentRunCommands(program);
  hooksCommands(program);
  program.commandsGroup("What agents work with:");
  codeCommands(program);
  stateCommands(program);
  messagesCommands(program);
  deadLettersCommands(program);
  tasksCommands(program);
  checkpointCommands(program);
  briefCommands(program);
  effectsCommands(program);
  workTreesCommands(program);
  mcpCommands(program);
  program.commandsGroup("To run the server:");
  configCommands(program);
  accessCommands(program);
  backupCommands(program);
  return program;
}
