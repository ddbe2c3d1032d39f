/**
 * Lastgood over the Model Context Protocol: the tools, the brief as a resource and as a prompt, and skills as
 * resources. A client of the public API like everyone else.
 */
import { McpServer, ResourceTemplate, type Variables } from "@modelcontextprotocol/server";
import { z } from "zod";
import { Fault } from "../fault.ts";
import type { Caller } from "./caller.ts";
import { addSkills } from "./skill-resources.ts";
import { one, told } from "./told.ts";
import { advertised, callTool } from "./tool.ts";
import { tools } from "./tools/tools.ts";

export interface McpServerDeps {
  readonly version: string;
  readonly caller: Caller;
  /** Hears of bugs; what an agent did wrong is its answer. */
  report(error: unknown): void;
}

const instructions = `Lastgood keeps what you would lose with your process: your task and how far it is, your messages, what you did to the outside world.
Call session_start first. If it answers recovery: full, call brief before anything else.
Then work: task_claim or inbox_next, task_progress and checkpoint_record as you go, effect_begin before anything that must not happen twice.
End with session_end. If a call answers fenced, another session of yours took over: stop.`;

const tokensDefault = 4_000;
const mimeType = "text/markdown";
const briefUri = "lastgood://brief/{agent}";

export function createMcpServer({ version, caller, report }: McpServerDeps): McpServer {
  const server = new McpServer({ name: "lastgood", title: "Lastgood", version }, { instructions });
  for (const each of tools) {
    server.registerTool(
      each.name,
      {
        title: each.title,
        description: each.description,
        inputSchema: advertised(each.input),
        outputSchema: each.output,
        annotations: { title: each.title, ...each.hints },
      },
      async (given, { mcpReq }) => await callTool(each, given, caller, mcpReq.signal, report),
    );
  }
  addBrief(server, caller);
  addSkills(server, caller);
  return server;
}

function addBrief(server: McpServer, caller: Caller): void {
  const read = async (agent: string, maxTokens: number) => {
    const session = caller.current(undefined);
    const mine = session !== undefined && (await caller.agentOf({})) === agent ? { session } : {};
    return await caller.client(undefined).briefText(agent, { ...mine, maxTokens });
  };

  const list = async () => {
    const session = caller.current(undefined);
    if (session === undefined) return { resources: [] };
    const agent = await caller.agentOf({ session });
    const uri = `lastgood://brief/${encodeURIComponent(agent)}`;
    return { resources: [{ uri, name: `brief of ${agent}`, mimeType }] };
  };
  const about = {
    title: "An agent's brief",
    description: "What the agent must know to go on, rebuilt from records.",
    mimeType,
  };
  const brief = async (uri: URL, { agent, max_tokens: tokens }: Variables) => {
    const { markdown } = await told(() => read(one(agent), tokensOf(one(tokens))));
    return { contents: [{ uri: uri.href, mimeType, text: markdown }] };
  };
  // The first that fits is taken, and an agent's name would take the rest of the address.
  const bounded = new ResourceTemplate(`${briefUri}{?max_tokens}`, { list: undefined });
  server.registerResource("brief within a budget", bounded, about, brief);
  server.registerResource("brief", new ResourceTemplate(briefUri, { list }), about, brief);

  server.registerPrompt(
    "resume",
    {
      title: "Resume where you left off",
      description: "The agent's brief, and what to do with it.",
      argsSchema: z.object({
        agent: z.string().max(100).optional().describe("Whose; by default the session's agent."),
        max_tokens: z.string().optional().describe(`At most so many tokens (${tokensDefault}).`),
      }),
    },
    async ({ agent, max_tokens: tokens }) => {
      const { markdown } = await told(async () =>
        read(await caller.agentOf({ agent }), tokensOf(tokens ?? "")),
      );
      const text = `${markdown}\n\nResume from here. Settle what is doubtful first; do nothing again that the brief says is done.`;
      return { messages: [{ role: "user", content: { type: "text", text } }] };
    },
  );
}

function tokensOf(text: string): number {
  if (text === "") return tokensDefault;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new Fault(
    "bad_input",
    `max_tokens is a number from 100 to 200000, not "${text.slice(0, 40)}".`,
  );
}
