import { hostname } from "node:os";
import type { Client } from "@lastgood/sdk";

/** The token that a program gets. `id`: of one that was made for it, to be revoked when it has ended. */
export interface AgentToken {
  readonly secret: string;
  readonly id: string | null;
}

/**
 * An agent's program gets an agent's token: where ours may do more, one is made for it. `ours` is given to it
 * as it is where it is an agent's already, or may make none.
 */
export async function agentToken(client: Client, agent: string, ours: string): Promise<AgentToken> {
  if (!ours.startsWith("lg_admin_")) return { secret: ours, id: null };
  const host = hostname().replaceAll(/[^\w.-]/g, "-");
  const name = `agent-run@${host}`.slice(0, 100);
  const { id, secret } = await client.createToken({ role: "agent", name, agent });
  return { id, secret };
}
