import { realpathSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { type HookCommand, isOurCommand } from "../../hooks/claude-settings.ts";
import {
  installHooks,
  removeHooks,
  type Scope,
  scopes,
  settingsFile,
  showHooks,
} from "../../hooks/settings-file.ts";
import type { GlobalOptions } from "../command.ts";
import { createTerminal } from "../terminal.ts";

interface HooksFlags extends GlobalOptions {
  readonly scope: string;
  readonly agent?: string;
  readonly program?: string;
}

export function hooksCommands(program: Command): void {
  const hooks = program
    .command("hooks")
    .summary("let an agent of another make tell what it does, by its hooks")
    .description(
      "With hooks Claude Code opens a session when it starts and gets its brief (also after a compaction), has\n" +
        "its work tree saved, and writes down what it does to the outside world before it does it.\n\n" +
        "  lastgood hooks install claude-code --agent marketing\n" +
        "  lastgood hooks show\n" +
        "  lastgood hooks remove",
    );
  installCommand(hooks);
  hooks
    .command("remove")
    .argument("[what]", "claude-code", "claude-code")
    .summary("take our hooks out again; all else stays as it is")
    .description("Takes our hooks out of the settings.\n\n  lastgood hooks remove --scope user")
    .option("--scope <which>", "project, local or user", "project")
    .action((what: string, _: unknown, self: Command) => {
      const { options, file, terminal } = begin(what, self);
      const changed = removeHooks(file);
      terminal.result({ file, changed });
      terminal.line(
        changed
          ? `Our hooks are out of ${file} (scope ${options.scope}).`
          : `There were none of ours in ${file}.`,
      );
    });
  hooks
    .command("show")
    .argument("[what]", "claude-code", "claude-code")
    .summary("which of our hooks are installed, in every scope")
    .description("Shows our hooks.\n\n  lastgood hooks show")
    .action((what: string, _: unknown, self: Command) => {
      const { terminal } = begin(what, self);
      const found = scopes.flatMap((scope) => {
        const file = settingsFile(scope, process.cwd());
        return showHooks(file).map((each) => ({ scope, file, ...each }));
      });
      terminal.result({ hooks: found });
      terminal.table(
        ["SCOPE", "EVENT", "COMMAND"],
        found.map(({ scope, event, command }) => [scope, event, command]),
      );
      if (found.length === 0) {
        terminal.line("None of ours: lastgood hooks install claude-code --agent NAME");
      }
    });
  hooks
    .command("run", { hidden: true })
    .argument("<event>")
    .option("--agent <name>")
    .description("What a hook calls: its input is JSON on stdin.")
    .action(async (event: string, _: unknown, self: Command) => {
      const { agent, url, token, home } = self.optsWithGlobals<HooksFlags>();
      const flags = Object.entries({ agent, url, token, home });
      const given = flags.flatMap(([name, value]) =>
        value === undefined ? [] : [`--${name}`, value],
      );
      const { runHookCommand } = await import("./run-hook.ts");
      await runHookCommand([event, ...given]);
    });
}

function installCommand(hooks: Command): void {
  hooks
    .command("install")
    .argument("<what>", "claude-code")
    .summary("put them into Claude Code's settings; safe to repeat")
    .description(
      "Puts our hooks into Claude Code's settings: of this project (committed), of this project on this\n" +
        "machine (local), or of all your projects (user). What stands there already stays as it is.\n\n" +
        "  lastgood hooks install claude-code --agent marketing\n" +
        "  lastgood hooks install claude-code --scope user",
    )
    .option("--scope <which>", "project, local or user", "project")
    .option(
      "--agent <name>",
      "which agent it is (default: as the token says, or the project's name)",
    )
    .option(
      "--program <command>",
      "how a shell calls lastgood there (default: as it is called here)",
    )
    .action((what: string, _: unknown, self: Command) => {
      const { options, file, terminal } = begin(what, self);
      const command = {
        program: options.program ?? ownProgram(),
        flags: flagsOf(options),
      };
      requireKnowable(command);
      const changed = installHooks(file, command);
      terminal.result({
        file,
        changed,
        command: `${command.program} hooks run <event>${command.flags}`,
      });
      terminal.line(changed ? `Our hooks are in ${file}.` : `They are in ${file} already.`);
      terminal.line(
        "Claude Code takes them up at its next start. Take them out with: lastgood hooks remove",
      );
    });
}

function begin(what: string, self: Command) {
  const options = self.optsWithGlobals<HooksFlags>();
  if (what !== "claude-code") {
    throw new Fault(
      "not_found",
      `There are no hooks for ${what.slice(0, 40)}: there are those for claude-code.`,
    );
  }
  const terminal = createTerminal(options.json === true);
  return { options, terminal, file: settingsFile(scopeOf(options.scope), process.cwd()) };
}

function scopeOf(text = "project"): Scope {
  const found = scopes.find((scope) => scope === text);
  if (found !== undefined) return found;
  throw new Fault("bad_input", `--scope ${text} is unknown: take project, local or user.`, {
    context: { path: "--scope" },
  });
}

/** What could not be told from others' hooks could not be taken out again. */
function requireKnowable({ program, flags }: HookCommand): void {
  if (isOurCommand(`${program} hooks run Stop${flags}`)) return;
  throw new Fault("bad_input", "--program ends with `lastgood`, such as `npx lastgood`.", {
    context: { path: "--program" },
  });
}

/** What a hook needs to find its server and its name by. */
function flagsOf({ agent, home, url }: HooksFlags): string {
  if (agent !== undefined && !/^[A-Za-z0-9][\w.-]{0,99}$/.test(agent)) {
    throw new Fault("bad_input", "--agent is an agent's name: letters, digits, `_`, `.` and `-`.", {
      context: { path: "--agent" },
    });
  }
  return Object.entries({ agent, home: home === undefined ? home : resolve(home), url })
    .map(([name, value]) => (value === undefined ? "" : ` --${name} ${quoted(value)}`))
    .join("");
}

/**
 * As the project has it, where it does; `lastgood` where that is this very program, also without npx; else by
 * its path on this machine.
 */
function ownProgram(): string {
  const own = realpathSync(process.argv[1] ?? "");
  const isOwn = (file: string) => {
    try {
      return realpathSync(file) === own;
    } catch {
      return false;
    }
  };
  const inProject = "node_modules/.bin/lastgood";
  if (isOwn(join(process.cwd(), inProject))) return `"$CLAUDE_PROJECT_DIR"/${inProject}`;
  const folders = (process.env.PATH ?? "").split(delimiter);
  const onPath = folders.some(
    (folder) => !folder.endsWith("node_modules/.bin") && isOwn(join(folder, "lastgood")),
  );
  return onPath ? "lastgood" : `${quoted(process.execPath)} ${quoted(own)}`;
}

function quoted(word: string): string {
  return /^[\w./:@=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
