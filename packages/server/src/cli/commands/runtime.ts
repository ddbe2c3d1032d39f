import type { DeployRequest, Service } from "@lastgood/sdk";
import type { Command } from "commander";
import { withServer } from "../command.ts";

export function runtimeCommands(program: Command): void {
  const services = program
    .command("services")
    .summary("what runs: see it, deploy, stop, read its logs")
    .description(
      "What runs, from which revision, and what keeps it there.\n\n" +
        "  lastgood services list\n" +
        "  lastgood services deploy content-api",
    );

  services
    .command("list")
    .summary("every declared service, as it runs now")
    .description("Lists every declared service as it runs now.\n\n  lastgood services list --json")
    .action(
      withServer<object, []>(async ({ client, terminal }) => {
        const found = await client.services();
        terminal.result(found);
        terminal.table(
          ["SERVICE", "STATE", "REVISION", "SINCE", "RESTARTS", "NOTE"],
          found.services.map((each) => [
            each.name,
            each.state,
            (each.revision ?? "").slice(0, 12),
            each.since ?? "",
            String(each.restarts),
            noteOn(each),
          ]),
        );
        if (found.services.length === 0) terminal.line("No service is declared in lastgood.yaml.");
      }),
    );

  services
    .command("show <service>")
    .summary("one service: health, drift, and what happened to it")
    .description("Shows one service.\n\n  lastgood services show content-api")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, name) => {
        const found = await client.service(name);
        terminal.result(found);
        terminal.line(`${found.name}: ${found.state}, ${found.unhealthy ?? "healthy"}`);
        terminal.line(`revision  ${found.revision ?? "none"} since ${found.since ?? "-"}`);
        terminal.line(`tip       ${found.tip ?? "unknown"}`);
        const note = noteOn(found);
        if (note !== "") terminal.line(`note      ${note}`);
        for (const file of found.drift ?? []) terminal.line(`drift     ${file}`);
        terminal.line();
        terminal.table(
          ["AT", "EVENT", "WHAT"],
          found.events.map((each) => [each.at, each.event, each.text]),
        );
      }),
    );

  services
    .command("deploy <service> [revision]")
    .summary("serve a revision; the branch's tip without one")
    .description(
      "Serves a revision, and returns when it does. After a revision that is not the tip, deploys on\n" +
        "push wait until the tip is deployed again by this command.\n\n" +
        '  lastgood services deploy content-api 3f2a… --reason "known good"',
    )
    .option("--reason <text>", "why; kept in the ledger")
    .option("--override", "deploy what the gate holds; needs --reason")
    .action(
      withServer<{ reason?: string; override?: boolean }, [string, string | undefined]>(
        async ({ client, terminal }, { reason, override }, name, revision) => {
          const body: DeployRequest = {
            ...(revision !== undefined && { revision }),
            ...(reason !== undefined && { reason }),
            ...(override !== undefined && { override }),
          };
          const work = client.deployService(name, body);
          const done = await terminal.progress(`deploying ${name}`, work);
          terminal.result(done);
          const what = done.already ? "already serves" : "serves";
          terminal.line(`${name} ${what} ${done.revision} since ${done.since}`);
        },
      ),
    );

  services
    .command("stop <service>")
    .summary("end its instances until it is deployed again")
    .description("Ends the instances of a service.\n\n  lastgood services stop content-api")
    .action(
      withServer<object, [string]>(async ({ client, terminal }, _options, name) => {
        const done = await terminal.progress(`stopping ${name}`, client.stopService(name));
        terminal.result(done);
        terminal.line(`${name} is stopped: \`lastgood services deploy ${name}\` starts it again.`);
      }),
    );

  services
    .command("logs <service>")
    .summary("the last of what its instances wrote")
    .description("Prints the end of a service's log.\n\n  lastgood services logs content-api")
    .option("--bytes <n>", "how much (1 to 1048576)", Number, 65_536)
    .action(
      withServer<{ bytes: number }, [string]>(async ({ client, terminal }, { bytes }, name) => {
        const found = await client.serviceLogs(name, bytes);
        terminal.result(found);
        terminal.line(found.text.trimEnd());
      }),
    );
}

function noteOn({ because, pinned, failure, held }: Service): string {
  return [
    because,
    pinned && `deploys on push wait: ${pinned.because}`,
    failure && `${failure.revision.slice(0, 12)} failed ${failure.attempts}x: ${failure.because}`,
    held && `held: ${held.because}`,
  ]
    .filter((each) => each !== null)
    .join("; ");
}
