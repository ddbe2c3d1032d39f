/** Everyone in the story, as processes: the colleagues, the outside, and the writers, who may be killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { extname, join } from "node:path";
import type { Client } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import type { OutsideBriefing } from "../outside/outside-process.ts";
import { endProcess, type Program, startAgentProcess, withoutOurs } from "../processes.ts";
import type { AgentBriefing, Hold } from "./agents/agent-process.ts";
import type { ColleagueOrder } from "./agents/colleague-agent.ts";
import { type Colleague, colleagues, type Story } from "./story.ts";
import { type EvictionWorld, machineOf } from "./world.ts";

export interface Cast {
  /** Resolves when the colleague has done it. */
  order(colleague: Colleague, order: ColleagueOrder): Promise<void>;
  /** Starts a writer in its work tree, under `lastgood agent run`, which starts it again when it dies. */
  startWriter(name: string, tree: string, holds?: readonly Hold[]): Promise<ChildProcess>;
  end(): Promise<void>;
}

const orderMsMax = 30_000;

export async function startCast(
  client: Client,
  { url, program }: { readonly url: string; readonly program: Program },
  { folder, outsidePort }: EvictionWorld,
  { seed, variant }: Story,
): Promise<Cast> {
  const children: ChildProcess[] = [];
  const tokens = new Map<string, string>();

  async function briefingOf(
    name: string,
    workTree: string,
    holds: readonly Hold[],
  ): Promise<AgentBriefing> {
    const known = tokens.get(name);
    const token = known ?? (await client.createToken({ role: "agent", name, agent: name })).secret;
    tokens.set(name, token);
    return {
      ...{ name, folder, url, token, seed, variant, workTree, holds },
      outside: `http://127.0.0.1:${outsidePort}`,
    };
  }

  const outside: OutsideBriefing = { folder, port: outsidePort };
  children.push(await startAgentProcess(fileOf("../outside", "outside-process"), { ...outside }));
  const present = new Map<Colleague, ChildProcess>();
  for (const name of colleagues) {
    const briefing = await briefingOf(name, folder, []);
    const child = await startAgentProcess(fileOf("agents", "colleague-agent"), { ...briefing });
    present.set(name, child);
    children.push(child);
  }
  return {
    async order(colleague, order) {
      const child = present.get(colleague);
      if (child === undefined) throw new Error(`no process for ${colleague}`);
      const answered = once(child, "message", { signal: AbortSignal.timeout(orderMsMax) });
      child.send(order);
      const [answer] = (await answered) as [{ done: true } | { error: string }];
      if ("error" in answer) throw new Fault("internal", `${colleague} could not: ${answer.error}`);
    },
    async startWriter(name, tree, holds = []) {
      const briefing = await briefingOf(name, tree, holds);
      const log = openSync(join(folder, "agents", `${name}.log`), "a");
      const [command, ...args] = program;
      const writing = [process.execPath, ...process.execArgv, fileOf("agents", "writing-agent")];
      const child = spawn(command, [...args, "agent", "run", "--", ...writing], {
        cwd: tree,
        stdio: ["ignore", log, log],
        env: {
          ...withoutOurs(process.env),
          LASTGOOD_URL: url,
          LASTGOOD_TOKEN: briefing.token,
          LASTGOOD_AGENT: name,
          LASTGOOD_HOME: machineOf(folder, name),
          LASTGOOD_DRILL_AGENT: JSON.stringify(briefing),
        },
      });
      children.push(child);
      return child;
    },
    async end() {
      await Promise.all(children.map(endProcess));
    },
  };
}

/** Beside this file, as source or as built. */
function fileOf(folder: string, name: string): string {
  return join(import.meta.dirname, folder, `${name}${extname(import.meta.filename)}`);
}
