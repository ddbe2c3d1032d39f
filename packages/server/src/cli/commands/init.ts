import { resolve } from "node:path";
import type { Command } from "commander";
import type { GlobalOptions } from "../command.ts";
import { createTerminal } from "../terminal.ts";

interface InitOptions extends GlobalOptions {
  readonly force?: boolean;
  readonly print?: boolean;
}

export function initCommands(program: Command): void {
  program
    .command("init [folder]")
    .summary("write a commented lastgood.yaml by looking at a folder")
    .description(
      "Looks at a folder (compose file, package.json, schema.sql, git repositories and who commits to\n" +
        "them) and writes a lastgood.yaml in which every guess says why. It starts nothing and changes\n" +
        "nothing else; a file that is there stays, unless --force.\n\n" +
        "  lastgood init\n" +
        "  lastgood init ./shop --print",
    )
    .option("--force", "write over a lastgood.yaml that is there")
    .option("--print", "print it instead of writing it")
    .action(async (folder: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<InitOptions>();
      const terminal = createTerminal(options.json === true);
      const { initialFor, writeInitial } = await import("../../config/init/init.ts");
      const initial = await terminal.progress(
        "looking at the folder",
        initialFor(resolve(folder ?? "."), new AbortController().signal),
      );
      if (options.print === true) {
        terminal.result({ file: null, text: initial.text, warnings: initial.warnings });
        terminal.line(initial.text.trimEnd());
        return;
      }
      await writeInitial(initial, options.force === true);
      terminal.result({ file: initial.file, text: initial.text, warnings: initial.warnings });
      const { repositories, services, agents } = initial.config;
      const count = (things: object, what: string) => `${Object.keys(things).length} ${what}`;
      terminal.line(
        `${initial.file}: ${count(repositories, "repositories")}, ${count(services, "services")}, ${count(agents, "agents")}.`,
      );
      for (const warning of initial.warnings) terminal.line(`warning: ${warning}`);
      terminal.line("Read it, then: lastgood start");
    });
}
