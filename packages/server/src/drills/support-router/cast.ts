/** Everyone in the story, as processes: the directory, two model endpoints, the triagers, and the front desk. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";
import type { Client } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import { endProcess, startAgentProcess } from "../processes.ts";
import type {
  DeskBriefing,
  DirectoryBriefing,
  EndpointBriefing,
  TriageBriefing,
} from "./agents/briefing.ts";
import type { DirectoryOrder } from "./agents/directory-process.ts";
import type { DeskOrder } from "./agents/front-desk.ts";
import { frontDesk, type Story, triagers } from "./story.ts";
import type { RouterWorld } from "./world.ts";

/** Those that answer: they are there before anything is deployed. */
export interface Cast {
  /** Resolves when it is so. */
  shards(order: DirectoryOrder): Promise<void>;
  /** Those that ask begin: the triagers follow what is pinned. */
  open(): Promise<void>;
  traffic(order: DeskOrder): Promise<void>;
  end(): Promise<void>;
}

const orderMsMax = 40_000;
/** Tickets a second on a quiet day. */
const perSecond = 80;

export async function startCast(
  client: Client,
  url: string,
  world: RouterWorld,
  { seed }: Story,
): Promise<Cast> {
  const children: ChildProcess[] = [];
  const start = async <Briefing extends object>(kind: string, briefing: Briefing) => {
    const child = await startAgentProcess(fileOf(kind), { ...briefing } as Record<string, unknown>);
    children.push(child);
    return child;
  };
  const tokenOf = async (name: string) =>
    (await client.createToken({ role: "agent", name, agent: name })).secret;
  const { folder, directoryPorts, triagerPorts, endpointPorts, gatewayPort } = world;
  const [directory] = await Promise.all([
    start<DirectoryBriefing>("directory-process", { ports: directoryPorts }),
    ...Object.values(endpointPorts).map((port) =>
      start<EndpointBriefing>("model-endpoint", { port, directoryPorts }),
    ),
  ]);
  let desk: ChildProcess | null = null;
  return {
    shards: (wanted) => order(directory, wanted),
    async open() {
      const gateway = `http://127.0.0.1:${gatewayPort}`;
      await Promise.all(
        triagers.map(async (name, index) =>
          start<TriageBriefing>("triage-agent", {
            ...{ name, folder, url, gateway, token: await tokenOf(name) },
            port: triagerPorts[index] ?? 0,
          }),
        ),
      );
      desk = await start<DeskBriefing>("front-desk", {
        ...{
          folder,
          url,
          token: await tokenOf(frontDesk),
          triagers: triagerPorts,
          seed,
          perSecond,
        },
      });
    },
    async traffic(wanted) {
      if (desk === null) throw new Error("the front desk is not open yet");
      await order(desk, wanted);
    },
    async end() {
      await Promise.all(children.map(endProcess));
    },
  };
}

async function order(child: ChildProcess, wanted: DirectoryOrder | DeskOrder): Promise<void> {
  const answered = once(child, "message", { signal: AbortSignal.timeout(orderMsMax) });
  child.send(wanted);
  const [answer] = (await answered) as [{ done: true } | { error: string }];
  if ("error" in answer) throw new Fault("internal", `An order was not followed: ${answer.error}`);
}

/** Beside this file, as source or as built. */
function fileOf(kind: string): string {
  return join(import.meta.dirname, "agents", `${kind}${extname(import.meta.filename)}`);
}
