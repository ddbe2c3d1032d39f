/** Everyone in the story, as processes: the payment provider, the preview of specs, the agents, the customers. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";
import type { Client } from "@lastgood/sdk";
import { Fault } from "../../fault.ts";
import { endProcess, startAgentProcess } from "../processes.ts";
import type {
  CustomersBriefing,
  PaymentsBriefing,
  PreviewBriefing,
  ServiceBriefing,
} from "./agents/briefing.ts";
import type { CustomersOrder } from "./agents/customers.ts";
import { agents, type Story } from "./story.ts";
import type { RefundWorld } from "./world.ts";

export interface Cast {
  /** The agents begin: they follow what is pinned. */
  open(): Promise<void>;
  /** Resolves when it is so; of `none` once nobody waits any more. */
  traffic(order: CustomersOrder): Promise<void>;
  end(): Promise<void>;
}

const orderMsMax = 60_000;

export async function startCast(
  client: Client,
  url: string,
  { folder, paymentsPort, previewPort, agentPorts }: RefundWorld,
  { seed }: Story,
): Promise<Cast> {
  const children: ChildProcess[] = [];
  const start = async <Briefing extends object>(kind: string, briefing: Briefing) => {
    const child = await startAgentProcess(fileOf(kind), { ...briefing } as Record<string, unknown>);
    children.push(child);
    return child;
  };
  await Promise.all([
    start<PaymentsBriefing>("payments-process", { folder, port: paymentsPort }),
    start<PreviewBriefing>("preview-process", { port: previewPort }),
  ]);
  let customers: ChildProcess | null = null;
  return {
    async open() {
      const payments = `http://127.0.0.1:${paymentsPort}/`;
      await Promise.all(
        agents.map(async (name, index) => {
          const { secret } = await client.createToken({ role: "agent", name, agent: name });
          const port = agentPorts[index] ?? 0;
          await start<ServiceBriefing>("service-agent", {
            ...{ name, folder, url, token: secret, port, payments },
          });
        }),
      );
      // Who hears from customers what was right is no agent: it tells outcomes of all of them.
      const { secret } = await client.createToken({ role: "operator", name: "complaints" });
      customers = await start<CustomersBriefing>("customers", {
        ...{ folder, url, token: secret, seed, agentPorts },
      });
    },
    async traffic(order) {
      if (customers === null) throw new Error("nobody is there to ask yet");
      const answered = once(customers, "message", { signal: AbortSignal.timeout(orderMsMax) });
      customers.send(order);
      const [answer] = (await answered) as [{ done: true } | { error: string }];
      if ("error" in answer) {
        throw new Fault("internal", `An order was not followed: ${answer.error}`);
      }
    },
    async end() {
      await Promise.all(children.map(endProcess));
    },
  };
}

/** Beside this file, as source or as built. */
function fileOf(kind: string): string {
  return join(import.meta.dirname, "agents", `${kind}${extname(import.meta.filename)}`);
}
