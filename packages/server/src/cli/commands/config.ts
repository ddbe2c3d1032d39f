import { resolve } from "node:path";
import type { Command } from "commander";
import { configFileName } from "../../config/config-file-name.ts";
import { type GlobalOptions, withServer } from "../command.ts";
import { createTerminal } from "../terminal.ts";

export function configCommands(program: Command): void {
  const config = program
    .command("config")
    .summary("check, show and change lastgood.yaml")
    .description(
      "Works on lastgood.yaml.\n\n" +
        "  lastgood config check\n" +
        "  lastgood config set services.content-api.owner alice",
    );

  config
    .command("check [file]")
    .summary("say everything that is wrong with a file")
    .description(
      "Reads a lastgood.yaml without a server and names every problem as file:line:column.\n" +
        "Exits 0 when it is good, 2 when it is not.",
    )
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      const terminal = createTerminal(command.optsWithGlobals<GlobalOptions>().json === true);
      const path = resolve(file ?? configFileName);
      const { loadConfig } = await import("../../config/load.ts");
      const { warnings } = await loadConfig(path);
      terminal.result({ file: path, ok: true, warnings });
      for (const warning of warnings) terminal.line(`warning: ${warning}`);
      terminal.line(`${path} is good.`);
    });

  config
    .command("set <setting> <value>")
    .summary("set one setting in the file, comments kept")
    .description(
      "Writes one setting, given as a path and a YAML value, and only if the result is good.\n\n" +
        "  lastgood config set services.content-api.owner alice\n" +
        '  lastgood config set agents.backend.authors "[backend@agents.example]"',
    )
    .option("--file <file>", "the file", configFileName)
    .action(async (setting: string, value: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { file: string }>();
      const terminal = createTerminal(options.json === true);
      const path = resolve(options.file);
      const { setInFile } = await import("../../config/set-in-file.ts");
      await setInFile(path, setting, value);
      terminal.result({ file: path, setting, ok: true });
      terminal.line(
        `${path}: ${setting} is set. A running server reads it within a second or two.`,
      );
    });

  config
    .command("schema")
    .summary("print the JSON Schema of lastgood.yaml, for editors")
    .action(async () => {
      const { configJsonSchemaText } = await import("../../config/json-schema.ts");
      process.stdout.write(configJsonSchemaText());
    });

  config
    .command("show")
    .summary("the configuration that the server has in force, without secrets")
    .action(
      withServer(async ({ client, terminal }) => {
        const report = await client.configuration();
        terminal.result(report);
        terminal.line(`File:  ${report.file ?? "none: every setting has its default"}`);
        if (report.readAt !== null) terminal.line(`Read:  ${report.readAt}`);
        if (report.fault !== null) {
          terminal.line(`Fault: the file as it is now is not in force:\n${report.fault}`);
        }
        for (const warning of report.warnings) terminal.line(`warning: ${warning}`);
        terminal.line(JSON.stringify(report.config, null, 2));
      }),
    );

  config
    .command("reload")
    .summary("have the server read its file again now")
    .action(
      withServer(async ({ client, terminal }) => {
        const report = await client.reloadConfiguration();
        terminal.result(report);
        for (const warning of report.warnings) terminal.line(`warning: ${warning}`);
        terminal.line(`${report.file} was read at ${report.readAt}, and is in force.`);
      }),
    );
}
