import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { Lastgood } from "../../main.ts";
import type { GlobalOptions } from "../command.ts";
import { defaultHome, defaultPort } from "../connect.ts";
import { createTerminal, type Terminal } from "../terminal.ts";
import { inSmallYoungHeap } from "../young-heap.ts";

interface StartFlags extends GlobalOptions {
  readonly host: string;
  readonly port: number;
  readonly home?: string;
  readonly config?: string;
  readonly stopServices?: boolean;
  readonly logFile?: string;
  readonly logLevel?: string;
}

export function serverCommands(program: Command): void {
  program
    .command("start")
    .summary("run the control plane")
    .description(
      "Runs the control plane until it is told to stop (Ctrl-C, or SIGTERM).\n\n" +
        "  lastgood start\n" +
        "  lastgood start --home /srv/lastgood --port 7441\n" +
        "  DATABASE_URL=postgres://lastgood@db.internal/lastgood lastgood start\n\n" +
        "Without DATABASE_URL it runs a PostgreSQL of its own in its home.",
    )
    .option("--host <address>", "where to listen", "127.0.0.1")
    .option("--port <port>", "which port; 0 takes a free one", toPort, defaultPort)
    .option(
      "--config <file>",
      "the configuration to follow (LASTGOOD_CONFIG; default: ./lastgood.yaml where there is one)",
    )
    .option("--stop-services", "when it is stopped, end the services that it serves as well")
    .option("--log-file <file>", "write the log there instead of to stderr; SIGHUP opens it anew")
    .option(
      "--log-level <level>",
      "trace, debug, info, warn, error or fatal (default: info; warn on a terminal)",
    )
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<StartFlags>();
      await run(options, createTerminal(options.json === true));
    });
}

async function run(options: StartFlags, terminal: Terminal): Promise<void> {
  const asked = signalled("SIGINT", "SIGTERM");
  const level = levelOf(options);
  const { pino } = await import("pino");
  const output = pino.destination({ dest: options.logFile ?? 2, mkdir: true, sync: true });
  const log = pino({ level }, output);
  const home = options.home ?? defaultHome();
  const starting = inSmallYoungHeap(async () => {
    // Only this command needs the server: the others stay quick without it.
    const { startServer } = await import("../start-server.ts");
    const databaseUrl = process.env.DATABASE_URL ?? null;
    return await startServer({ ...options, home, log, databaseUrl });
  });
  const { lastgood, stop, reload } = await terminal.progress("Lastgood starts", starting);
  process.on("SIGHUP", () => {
    if (options.logFile !== undefined) output.reopen();
    void reload();
  });
  const { url, gatewayUrl, tokenFile } = lastgood;
  terminal.result({ url, gatewayUrl, tokenFile });
  greet(terminal, lastgood, home);
  await asked;
  await terminal.progress("Lastgood stops", withinStop(stop()));
  process.exit(0);
}

/** The address, the token's file, and what to try: in a form that can be pasted. */
function greet(terminal: Terminal, lastgood: Lastgood, home: string): void {
  const { url, gatewayUrl, tokenFile } = lastgood;
  const elsewhere = [
    ...(url === `http://127.0.0.1:${defaultPort}` ? [] : [`LASTGOOD_URL=${url}`]),
    ...(home === defaultHome() ? [] : [`LASTGOOD_HOME=${home}`]),
  ];
  terminal.line(`Lastgood is at ${terminal.ink("bold", url)}`);
  if (gatewayUrl !== null) terminal.line(`Models are asked through ${gatewayUrl} (gateway.port)`);
  terminal.line(
    tokenFile === null
      ? "The database has its own admins: set LASTGOOD_TOKEN to a token of theirs."
      : `The admin token is in ${tokenFile} (commands on this machine find it there).`,
  );
  if (elsewhere.length > 0) terminal.line(`In other shells first: export ${elsewhere.join(" ")}`);
  terminal.line();
  terminal.line("Three things to try:");
  terminal.line("  npx lastgood drill run september   an incident put right, from end to end");
  terminal.line("  npx lastgood init                  a lastgood.yaml for the folder you are in");
  terminal.line(
    "  npx lastgood doctor                what is protected, what is not, what mends it",
  );
}

const levels = ["trace", "debug", "info", "warn", "error", "fatal"];

function levelOf({ logLevel, logFile }: StartFlags): string {
  const onTerminal = process.stderr.isTTY && logFile === undefined;
  const level = logLevel ?? (onTerminal ? "warn" : "info");
  if (levels.includes(level)) return level;
  throw new Fault(
    "bad_input",
    `--log-level ${level} is unknown: take ${levels.slice(0, -1).join(", ")} or ${levels.at(-1)}.`,
    { context: { path: "--log-level" } },
  );
}

/** From 0 to 65535. */
export function toPort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new Fault("bad_input", `--port ${text} is not a port: take one from 0 to 65535.`, {
    context: { path: "--port" },
  });
}

/** Resolves with the first of these signals; one that comes during the start is not lost. */
function signalled(...signals: NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of signals) process.on(signal, () => resolve(signal));
  });
}

const stopMsMax = 45_000;

/** What was written is safe by then; what still hangs is left behind, and the next start finds it. */
async function withinStop(stopping: Promise<void>): Promise<void> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(
      () => reject(new Fault("timed_out", `Lastgood did not stop in ${stopMsMax / 1_000} s.`)),
      stopMsMax,
    ).unref();
  });
  await Promise.race([stopping, late]);
}
