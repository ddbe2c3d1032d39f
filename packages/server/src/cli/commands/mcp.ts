import type { Connection } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { McpOverHttp } from "../../mcp/http.ts";
import { ownVersion } from "../../own-build.ts";
import type { GlobalOptions } from "../command.ts";
import { defaultPort } from "../connect.ts";
import { createTerminal } from "../terminal.ts";
import { toPort } from "./server.ts";

interface McpFlags extends GlobalOptions {
  readonly http?: boolean;
  readonly port: number;
}

const mcpPort = 7441;

export function mcpCommands(program: Command): void {
  program
    .command("mcp")
    .summary("the MCP server, for agents whose host speaks it")
    .description(
      "Gives an agent its session, brief, messages, tasks, checkpoints, documents and effects as MCP tools,\n" +
        "and responders what they need in an incident. Over the standard streams, as hosts start it:\n\n" +
        "  lastgood token create --role agent --name backend --agent backend\n" +
        "  claude mcp add --transport stdio --env LASTGOOD_TOKEN=... lastgood -- npx lastgood mcp\n\n" +
        "or for hosts that connect, each with its own token as bearer:\n\n" +
        "  lastgood mcp --http --port 7441\n\n" +
        "It takes the token from --token or LASTGOOD_TOKEN, and never this machine's own admin token. When the\n" +
        "host closes the connection without session_end, the session's lease (10 s) says what became of it.",
    )
    .option("--http", "serve streamable HTTP on loopback instead of the standard streams")
    .option("--port <port>", "with --http: which port; 0 takes a free one", toPort, mcpPort)
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<McpFlags>();
      if (options.http === true) await overHttp(options);
      else await overStdio(options);
    });
}

async function overStdio(options: McpFlags): Promise<void> {
  const stopped = toldToStop();
  const connection = agentsConnection(options);
  const { serveOverStdio } = await import("../../mcp/stdio.ts");
  const folder = process.cwd();
  await serveOverStdio({ connection, version: ownVersion(), folder, report, stopped });
  process.exit(0);
}

async function overHttp(options: McpFlags): Promise<void> {
  const stopped = toldToStop();
  const terminal = createTerminal(options.json === true);
  const { serveOverHttp } = await import("../../mcp/http.ts");
  const { port } = options;
  const served: McpOverHttp = await serveOverHttp({
    url: urlOf(options),
    port,
    version: ownVersion(),
    report,
  });
  terminal.result({ url: served.url });
  terminal.line(`Lastgood's MCP server is at ${terminal.ink("bold", served.url)}`);
  terminal.line("Each host sends its agent's own token: Authorization: Bearer <token>");
  await stopped;
  await served.stop();
}

/** An agent acts under its own name: the admin's token that lies on this machine is not taken for it. */
function agentsConnection(options: GlobalOptions): Connection {
  const token = options.token ?? process.env.LASTGOOD_TOKEN ?? "";
  if (token !== "") return { url: urlOf(options), token };
  throw new Fault(
    "unauthenticated",
    "No token: make one for the agent with `lastgood token create --role agent --name NAME --agent NAME`, and set LASTGOOD_TOKEN to it where the host starts this command.",
  );
}

function urlOf({ url }: GlobalOptions): string {
  return url ?? process.env.LASTGOOD_URL ?? `http://127.0.0.1:${defaultPort}`;
}

/** Of the standard streams only stderr is free: stdout is the protocol's. */
function report(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`lastgood mcp: ${text}\n`);
}

function toldToStop(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => resolve(`the MCP server got ${signal}`));
    }
  });
}
