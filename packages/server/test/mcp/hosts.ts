/** Hosts as they are: the clients of both generations of the SDK, over both transports, in both eras. */
import { join } from "node:path";
import {
  Client as NewClient,
  StreamableHTTPClientTransport as NewHttp,
} from "@modelcontextprotocol/client";
import { StdioClientTransport as NewStdio } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as OldHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

export interface Answer {
  readonly isError: boolean;
  readonly text: string;
  readonly structured: Record<string, unknown>;
  readonly meta: Record<string, unknown>;
}

export interface Host extends AsyncDisposable {
  readonly era: string;
  readonly instructions: string;
  tools(): Promise<readonly AdvertisedTool[]>;
  call(tool: string, given?: Record<string, unknown>): Promise<Answer>;
  /** The answer of a call that must succeed. */
  ok(tool: string, given?: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** The code of a call that must fail. */
  fails(tool: string, given?: Record<string, unknown>): Promise<{ code: string; text: string }>;
  resources(): Promise<readonly string[]>;
  read(uri: string): Promise<string>;
  prompts(): Promise<readonly string[]>;
  prompt(name: string, given: Record<string, string>): Promise<string>;
  /** Of the server's process; null over HTTP. */
  readonly pid: number | null;
}

export interface AdvertisedTool {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly inputSchema: Record<string, unknown>;
  readonly outputSchema?: Record<string, unknown> | undefined;
  readonly annotations?: Record<string, unknown> | undefined;
}

export type Generation = "v1" | "v2" | "v2 with the former protocol";
export const generations: readonly Generation[] = ["v1", "v2", "v2 with the former protocol"];

export const lastgood = [
  "--conditions=development",
  "--disable-warning=ExperimentalWarning",
  join(import.meta.dirname, "../../bin/lastgood.js"),
];

/** Where a host finds the server: a command to start, or an address with a token. */
export type Where =
  | {
      readonly url: string;
      readonly token: string;
      readonly folder?: string;
      readonly env?: Readonly<Record<string, string>>;
      /** Instead of the command of this checkout. */
      readonly command?: readonly string[];
    }
  | { readonly mcpUrl: string; readonly token: string };

const identity = { name: "test-host", version: "1.0.0" };

export async function connectHost(generation: Generation, where: Where): Promise<Host> {
  return generation === "v1" ? await connectOld(where) : await connectNew(generation, where);
}

function commandOf(where: Extract<Where, { url: string }>) {
  const [command = "", ...args] = where.command ?? [process.execPath, ...lastgood, "mcp"];
  return {
    ...{ command, args },
    env: {
      PATH: process.env.PATH ?? "",
      LASTGOOD_URL: where.url,
      LASTGOOD_TOKEN: where.token,
      ...where.env,
    },
    ...(where.folder === undefined ? {} : { cwd: where.folder }),
    stderr: "inherit" as const,
  };
}

function bearer(token: string) {
  return { requestInit: { headers: { authorization: `Bearer ${token}` } } };
}

async function connectOld(where: Where): Promise<Host> {
  const client = new OldClient(identity);
  const stdio = "url" in where ? new OldStdio(commandOf(where)) : null;
  const transport =
    "mcpUrl" in where ? new OldHttp(new URL(where.mcpUrl), bearer(where.token)) : stdio;
  if (transport === null) throw new Error("unreachable");
  // Its types differ from themselves under exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  return hostOf({
    era: "legacy",
    instructions: client.getInstructions() ?? "",
    pid: () => stdio?.pid ?? null,
    listTools: async () => (await client.listTools()).tools,
    callTool: async (name, given) => await client.callTool({ name, arguments: given }),
    listResources: async () => (await client.listResources()).resources,
    readResource: async (uri) => (await client.readResource({ uri })).contents,
    listPrompts: async () => (await client.listPrompts()).prompts,
    getPrompt: async (name, given) => (await client.getPrompt({ name, arguments: given })).messages,
    close: () => client.close(),
  });
}

async function connectNew(generation: Generation, where: Where): Promise<Host> {
  const client = new NewClient(
    identity,
    generation === "v2" ? { versionNegotiation: { mode: "auto" } } : {},
  );
  const stdio = "url" in where ? new NewStdio(commandOf(where)) : null;
  const transport =
    "mcpUrl" in where ? new NewHttp(new URL(where.mcpUrl), bearer(where.token)) : stdio;
  if (transport === null) throw new Error("unreachable");
  await client.connect(transport);
  return hostOf({
    era: client.getProtocolEra() ?? "",
    instructions: client.getInstructions() ?? "",
    pid: () => stdio?.pid ?? null,
    listTools: async () => (await client.listTools()).tools,
    callTool: async (name, given) => await client.callTool({ name, arguments: given }),
    listResources: async () => (await client.listResources()).resources,
    readResource: async (uri) => (await client.readResource({ uri })).contents,
    listPrompts: async () => (await client.listPrompts()).prompts,
    getPrompt: async (name, given) => (await client.getPrompt({ name, arguments: given })).messages,
    close: () => client.close(),
  });
}

interface Wire {
  readonly era: string;
  readonly instructions: string;
  pid(): number | null;
  listTools(): Promise<readonly object[]>;
  callTool(name: string, given: Record<string, unknown>): Promise<object>;
  listResources(): Promise<readonly { uri: string }[]>;
  readResource(uri: string): Promise<readonly object[]>;
  listPrompts(): Promise<readonly { name: string }[]>;
  getPrompt(name: string, given: Record<string, string>): Promise<readonly object[]>;
  close(): Promise<void>;
}

function hostOf(wire: Wire): Host {
  async function call(tool: string, given: Record<string, unknown> = {}): Promise<Answer> {
    const answer = (await wire.callTool(tool, given)) as {
      isError?: boolean;
      content: { text?: string }[];
      structuredContent?: Record<string, unknown>;
      _meta?: Record<string, unknown>;
    };
    return {
      isError: answer.isError === true,
      text: answer.content[0]?.text ?? "",
      structured: answer.structuredContent ?? {},
      meta: answer._meta ?? {},
    };
  }
  return {
    era: wire.era,
    instructions: wire.instructions,
    get pid() {
      return wire.pid();
    },
    tools: async () => (await wire.listTools()) as readonly AdvertisedTool[],
    call,
    async ok(tool, given) {
      const answer = await call(tool, given);
      if (answer.isError) throw new Error(`${tool}: ${answer.text}`);
      return answer.structured;
    },
    async fails(tool, given) {
      const { isError, text, meta } = await call(tool, given);
      if (!isError) throw new Error(`${tool} should have failed, and answered ${text}`);
      const { code } = meta["lastgood/fault"] as { code: string };
      if (!text.startsWith(`${code}: `)) throw new Error(`${tool} says no code: ${text}`);
      return { code, text };
    },
    resources: async () => (await wire.listResources()).map(({ uri }) => uri),
    async read(uri) {
      const [content] = (await wire.readResource(uri)) as { text: string }[];
      return content?.text ?? "";
    },
    prompts: async () => (await wire.listPrompts()).map(({ name }) => name),
    async prompt(name, given) {
      const [message] = (await wire.getPrompt(name, given)) as { content: { text: string } }[];
      return message?.content.text ?? "";
    },
    [Symbol.asyncDispose]: () => wire.close(),
  };
}
