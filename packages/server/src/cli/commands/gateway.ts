import { join } from "node:path";
import type { Mirror } from "@lastgood/sdk";
import type { Command } from "commander";
import { parseDuration } from "../../duration.ts";
import { type GlobalOptions, withServer } from "../command.ts";
import { defaultHome, resolveConnection } from "../connect.ts";
import { inEnvironment, type Where } from "../environment-option.ts";
import { namedRelease } from "../release-words.ts";
import { createTerminal, type Terminal } from "../terminal.ts";
import { toPort } from "./server.ts";

interface GatewayFlags extends GlobalOptions {
  readonly host?: string;
  readonly port?: number;
  readonly config?: string;
  readonly state?: string;
  readonly environment?: string;
}

export function gatewayCommands(program: Command): void {
  const gateway = program
    .command("gateway")
    .summary("a gateway of its own before model endpoints, that goes on without the server")
    .description(
      "Takes OpenAI's and Anthropic's requests, and asks the release that is pinned of the artifact they name.\n" +
        "`lastgood start` has one already; this is a further one, in a process of its own. While the server is\n" +
        "away it goes on from its last pins, and keeps up to 10,000 samples.\n\n" +
        "  LASTGOOD_TOKEN=<an operator's> lastgood gateway --config lastgood.yaml --port 7443",
    )
    .option("--host <address>", "where to listen (default: gateway.host)")
    .option("--port <port>", "which port; 0 takes a free one (default: gateway.port)", toPort)
    .option("--config <file>", "the configuration with the endpoints (LASTGOOD_CONFIG)")
    .option("--state <folder>", "where the last pins are kept (default: gateway in the home)")
    .option("--environment <name>", "whose pins (default: releases.environment)")
    .action(async (_: unknown, command: Command) => await run(command.optsWithGlobals()));
  mirrorCommands(gateway);
}

async function run(options: GatewayFlags): Promise<void> {
  const asked = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  const terminal = createTerminal(options.json === true);
  const { pino } = await import("pino");
  const log = pino({ level: "warn" }, pino.destination({ dest: 2, sync: true }));
  const { startGateway } = await import("../start-gateway.ts");
  const gateway = await terminal.progress(
    "The gateway starts",
    startGateway({
      ...{ connection: resolveConnection(options), log },
      state: options.state ?? join(options.home ?? defaultHome(), "gateway"),
      ...{ host: options.host, port: options.port, config: options.config },
      environment: options.environment,
    }),
  );
  terminal.result({ url: gateway.url });
  terminal.line(
    `The gateway is at ${terminal.ink("bold", gateway.url)}\n` +
      `OpenAI's clients: base URL ${gateway.url}/v1; Anthropic's: ${gateway.url}`,
  );
  await asked;
  await gateway.stop();
  process.exit(0);
}

interface MirrorFlags extends Where {
  readonly percent: number;
  readonly for?: string;
  readonly because?: string;
}

function mirrorCommands(gateway: Command): void {
  inEnvironment(
    gateway
      .command("mirror")
      .argument("<release>", "artifact:version")
      .summary("send a part of the live requests to another release too; nobody gets its answers")
      .description(
        "Its answers are compared with the live ones, and told as samples of that release. A copy has no tools.\n\n" +
          "  lastgood gateway mirror router:13 --percent 5 --for 1h --because 'is it the endpoint?'",
      ),
  )
    .requiredOption("--percent <n>", "of the requests: 0.01 to 100", Number)
    .option("--for <span>", "for how long, at most 7d (default: 1h)")
    .option("--because <reason>", "why")
    .action(
      withServer<MirrorFlags, [string]>(async ({ client, terminal }, options, release) => {
        const { artifact, version } = namedRelease([release]);
        const { environment, percent, because } = options;
        const forMs = options.for === undefined ? undefined : parseDuration(options.for, "--for");
        const wanted = { version, percent, forMs, because };
        const mirror = await client.startMirror(environment, artifact, wanted);
        terminal.result(mirror);
        terminal.line(`${percent} % of the requests to ${artifact} also go to ${release}.`);
        terminal.line(`Until ${mirror.until}, or: lastgood gateway unmirror ${artifact}`);
      }),
    );

  inEnvironment(
    gateway.command("unmirror").argument("<artifact>").summary("send no more copies of it"),
  ).action(
    withServer<Where, [string]>(async ({ client, terminal }, { environment }, artifact) => {
      const { ended } = await client.endMirror(environment, artifact);
      terminal.result({ ended });
      terminal.line(ended ? `No more copies of ${artifact}.` : `${artifact} was not mirrored.`);
    }),
  );

  inEnvironment(gateway.command("mirrors").summary("what is mirrored to which release")).action(
    withServer<Where, []>(async ({ client, terminal }, { environment }) => {
      const { mirrors } = await client.mirrors(environment);
      terminal.result({ mirrors });
      tableOf(terminal, mirrors);
    }),
  );
}

function tableOf(terminal: Terminal, mirrors: readonly Mirror[]): void {
  terminal.table(
    ["ARTIFACT", "TO", "PERCENT", "UNTIL", "BY", "BECAUSE"],
    mirrors.map(({ artifact, version, percent, until, by, because }) => [
      ...[artifact, version, String(percent), until, by, because.slice(0, 60)],
    ]),
  );
  if (mirrors.length === 0) terminal.line("Nothing is mirrored.");
}
