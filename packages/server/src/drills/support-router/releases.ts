/** The releases of the story, and how each goes out: published, and rolled out as anyone does it. */
import type { Client, RolloutDetails, RolloutPhase } from "@lastgood/sdk";
import type { Narrator } from "../narrator.ts";
import { type Patience, until } from "../until.ts";
import { artifact, environment } from "./story.ts";

export const releases = {
  "13": { endpoint: "blue", model: "router-13", notes: "what has been good for months" },
  "14": { endpoint: "green", model: "router-14", notes: "reads product names in capitals" },
  "15": { endpoint: "green", model: "router-15", notes: "the same, trained on another month" },
  "16": { endpoint: "blue", model: "router-16", notes: "knows what a signature is" },
} as const;
export type Version = keyof typeof releases;

export async function publish(client: Client, version: Version): Promise<void> {
  const { notes, ...content } = releases[version];
  await client.publishRelease(artifact, { version, content, notes });
}

export interface Rolling {
  readonly client: Client;
  readonly tell: Teller;
}

/** Publishes it, begins its rollout, and tells of it until it is in one of the phases. */
export async function rollOut(
  { client, tell }: Rolling,
  version: Version,
  phases: readonly RolloutPhase[],
  patience: Patience,
): Promise<RolloutDetails> {
  await publish(client, version);
  const because = releases[version].notes;
  const { id } = await client.startRollout(environment, artifact, { version, because });
  return await reaches({ client, tell }, id, phases, patience);
}

/** Tells what happens to it meanwhile. */
export async function reaches(
  { client, tell }: Rolling,
  id: string,
  phases: readonly RolloutPhase[],
  patience: Patience,
): Promise<RolloutDetails> {
  const look = async () => {
    const rollout = await client.rollout(id);
    tell(rollout);
    return phases.includes(rollout.phase) ? rollout : null;
  };
  return await until(`${id} to be ${phases.join(" or ")}`, look, { everyMs: 50, ...patience });
}

/** Tells each event of a rollout once, and what the judge says whenever it says another thing. */
export type Teller = (rollout: RolloutDetails) => void;

export function createTeller(told: Narrator): Teller {
  const seen = new Map<string, number>();
  const judged = new Map<string, string>();
  return ({ id, candidate, events, verdict }) => {
    for (const { at, actor, event, text } of events.slice(seen.get(id) ?? 0)) {
      // How far the gate is, is for whoever waits for it.
      if (event !== "gate.progressed") told(actor, `${event} ${candidate}: ${text}`, at);
    }
    seen.set(id, events.length);
    const says = verdict === null ? "" : `${verdict.kind} ${verdict.signal} ${verdict.dimension}`;
    if (verdict !== null && judged.get(id) !== says)
      told("judge", `${verdict.kind}: ${verdict.says}`);
    judged.set(id, says);
  };
}
