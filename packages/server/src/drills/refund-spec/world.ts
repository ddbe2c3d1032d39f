/**
 * The world of the story on disk.
 *
 *     folder/
 *       compose.yaml                           what runs, who works, and how a spec is tried
 *       checks/customer-service/usual.yaml     what every spec was held to before
 *       agents/<agent>.ndjson                  written by the agents as they act
 *       payments.ndjson                        every refund that was really paid out
 *       requests.ndjson                        what customers asked for, and what they got
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { freePort } from "../../free-port.ts";
import { agents, artifact, requestsOf, type Story } from "./story.ts";

export interface RefundWorld {
  readonly folder: string;
  readonly paymentsPort: number;
  /** Where a spec is tried on a request, without anybody being paid. */
  readonly previewPort: number;
  readonly agentPorts: readonly number[];
}

export async function buildWorld(folder: string, story: Story): Promise<RefundWorld> {
  await mkdir(join(folder, "agents"), { recursive: true });
  const ports = new Set<number>();
  while (ports.size < 2 + agents.length) ports.add(await freePort());
  const [paymentsPort = 0, previewPort = 0, ...agentPorts] = ports;
  const world: RefundWorld = { folder, paymentsPort, previewPort, agentPorts };
  await writeFile(join(folder, "compose.yaml"), composeOf(world));
  await writeUsualCases(folder, story);
  return world;
}

const usualCases = 40;
const usualSeed = 0xca5e;

/** Small amounts, and amounts that nobody is owed: nothing in between, which is what nobody thought of. */
async function writeUsualCases(folder: string, story: Story): Promise<void> {
  const requests = requestsOf({ ...story, seed: story.seed + usualSeed });
  const cases: object[] = [];
  while (cases.length < usualCases) {
    const { id: name, amount, reason } = requests.next();
    if (amount > 100 && amount <= 500) continue;
    const expected = amount <= 100 ? "refund" : "refuse";
    cases.push({ name, input: { amount, reason }, expected });
  }
  const place = join(folder, "checks", artifact);
  await mkdir(place, { recursive: true });
  const because = "what every spec must do";
  const evaluator = { kind: "exact", at: "$.decision" };
  await writeFile(join(place, "usual.yaml"), stringify({ artifact, because, evaluator, cases }));
}

function composeOf({ previewPort }: RefundWorld): string {
  return stringify({
    services: {
      [artifact]: {
        image: "agents/customer-service",
        labels: { "lastgood.customer-facing": "true" },
        "x-lastgood": { uses: [artifact] },
      },
      ...Object.fromEntries(
        agents.map((name) => [
          name,
          {
            image: "agents/runner",
            labels: { "lastgood.agent": name },
            "x-lastgood": { dependsOn: [artifact] },
          },
        ]),
      ),
    },
    "x-lastgood": {
      bank: "checks",
      rules: { refunded: { service: artifact, signal: "success", objective: 0.95 } },
      gate: {
        [artifact]: {
          run: { http: `http://127.0.0.1:${previewPort}/`, timeout: "5s" },
          shadow: { inputs: 200, compare: { kind: "exact", at: "$.decision" } },
        },
      },
    },
  });
}
