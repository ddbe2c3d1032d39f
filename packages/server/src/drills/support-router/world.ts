/**
 * The world of the story on disk.
 *
 *     folder/
 *       compose.yaml                         what runs, who works, and how releases go out
 *       checks/support-router/offline.yaml   the offline set: usual tickets, and where they belonged
 *       agents/<agent>.ndjson                written by the agents as they act
 *       requests.ndjson                      what customers wrote, what they got, and where it belonged
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePort } from "../../free-port.ts";
import { artifact, frontDesk, type Story, shardCount, triagers } from "./story.ts";
import { questionOf, ticketsOf } from "./tickets.ts";

export const endpoints = ["blue", "green"] as const;
export type Endpoint = (typeof endpoints)[number];

export interface RouterWorld {
  readonly folder: string;
  readonly gatewayPort: number;
  readonly endpointPorts: Readonly<Record<Endpoint, number>>;
  readonly triagerPorts: readonly number[];
  /** One for each shard of the directory of accounts. */
  readonly directoryPorts: readonly number[];
}

export async function buildWorld(folder: string, story: Story): Promise<RouterWorld> {
  await mkdir(join(folder, "agents"), { recursive: true });
  const ports = await freePorts(1 + endpoints.length + triagers.length + shardCount);
  const [gatewayPort = 0, blue = 0, green = 0, ...rest] = ports;
  const world: RouterWorld = {
    ...{ folder, gatewayPort, endpointPorts: { blue, green } },
    triagerPorts: rest.slice(0, triagers.length),
    directoryPorts: rest.slice(triagers.length),
  };
  await writeFile(join(folder, "compose.yaml"), composeOf(world, story));
  await writeOfflineSet(folder, story);
  return world;
}

async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

const offlineTickets = 150;
const offlineSeed = 0x0ff;

/** From before any surge: what both releases were held to. */
async function writeOfflineSet(folder: string, { seed }: Story): Promise<void> {
  const tickets = ticketsOf(seed + offlineSeed);
  const cases = Array.from({ length: offlineTickets }, () => tickets.next(null)).map(
    ({ id, text, queue }) => ({ name: id, input: questionOf(text), expected: queue }),
  );
  const place = join(folder, "checks", artifact);
  await mkdir(place, { recursive: true });
  const because = "where tickets of the last quarter belonged";
  const check = { artifact, because, atLeast: 0.9, evaluator: { kind: "exact" }, cases };
  await writeFile(join(place, "offline.yaml"), stringify(check));
}

/** What is not a default is the world's own scale: an hour of its traffic is a minute here. */
function composeOf(world: RouterWorld, { holdback }: Story): string {
  const { blue, green } = world.endpointPorts;
  const endpoint = (port: number) => ({ url: `http://127.0.0.1:${port}/v1`, api: "openai" });
  return stringify({
    services: {
      [artifact]: {
        image: "models/router",
        labels: { "lastgood.customer-facing": "true" },
        "x-lastgood": { uses: [artifact] },
      },
      ...Object.fromEntries(triagers.map((name) => [`${name}-agent`, agentOf(name, [artifact])])),
      [`${frontDesk}-agent`]: agentOf(frontDesk, []),
    },
    "x-lastgood": {
      bank: "checks",
      gateway: {
        port: world.gatewayPort,
        endpoints: { blue: endpoint(blue), green: endpoint(green) },
        record: { [artifact]: 20_000 },
      },
      gate: { [artifact]: { run: { model: true }, shadow: { inputs: 800 } } },
      rules: { answered: { service: artifact, signal: "success", objective: 0.95 } },
      rollouts: { [artifact]: rolloutOf(holdback) },
    },
  });
}

function agentOf(name: string, calls: readonly string[]): object {
  const labels = { "lastgood.agent": name };
  return { image: "agents/runner", labels, "x-lastgood": { dependsOn: calls } };
}

/** Holds are compressed: of ten minutes a step forward, and half a minute on the way back, seconds are left. */
function rolloutOf(holdback: number): object {
  return {
    ...{ ramp: [25, 100], hold: "500ms", reverseHold: "2s", holdback },
    guardrails: [
      { signal: "quality", objective: 0.9, dimensions: ["channel"] },
      { signal: "success", objective: 0.95 },
    ],
  };
}
