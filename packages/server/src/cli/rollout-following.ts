/** A rollout as people see it: where it stands, and what happens to it as it happens. */
import type { Client, InFlightAccount, Rollout, RolloutDetails } from "@lastgood/sdk";
import { formatDuration } from "../duration.ts";
import { Fault } from "../fault.ts";
import { sayAccount } from "./release-words.ts";
import type { Terminal } from "./terminal.ts";

const followEveryMs = 200;

/** Of the last move of its dial; null: nothing moved yet. */
export async function accountOf(client: Client, { environment, artifact }: Rollout) {
  try {
    return await client.inFlightAccount(environment, artifact);
  } catch (error) {
    if (error instanceof Fault && error.code === "not_found") return null;
    throw error;
  }
}

export function show(
  terminal: Terminal,
  rollout: RolloutDetails,
  account: InFlightAccount | null,
): void {
  terminal.result({ ...rollout, account });
  terminal.line(sayRollout(rollout));
  const { ramp, reverse, holdback, automatic } = rollout.plan;
  const steps = (all: typeof ramp) =>
    all.map(({ percent, holdMs }) => `${percent} % (${formatDuration(holdMs)})`).join(", ");
  terminal.line(`ramp: ${steps(ramp)}; back: ${steps(reverse)}; holdback ${holdback} %`);
  terminal.line(`automatic: ${automatic}`);
  if (rollout.decidedBy !== null) {
    terminal.line(`${rollout.decidedBy}: nothing automatic goes back past that`);
  }
  if (rollout.verdict !== null) {
    terminal.line(`the judge: ${rollout.verdict.kind}, ${rollout.verdict.says}`);
  }
  if (rollout.waits !== null) terminal.line(`waits: ${rollout.waits}`);
  if (account !== null) terminal.line(sayAccount(account));
  if (rollout.incident !== null) terminal.line(`see lastgood incident show ${rollout.incident}`);
  terminal.line();
  terminal.table(
    ["AT", "WHO", "WHAT", ""],
    rollout.events.map(({ at, actor, event, text }) => [at, actor, event, text.slice(0, 120)]),
  );
}

export function sayRollout(rollout: Rollout): string {
  return `${sayPhase(rollout)}: ${rollout.says}`;
}

function sayPhase({ id, artifact, candidate, environment, phase }: Rollout): string {
  return `${id}: ${artifact}:${candidate} in ${environment} is ${phase}`;
}

/** Prints what happens until nothing does by itself. Exits 1 unless the candidate is live. */
export async function follow(client: Client, terminal: Terminal, id: string): Promise<void> {
  let told = 0;
  for (;;) {
    const rollout = await client.rollout(id);
    for (const { at, actor, text } of rollout.events.slice(told)) {
      terminal.line(`${at}  ${actor}  ${text}`);
    }
    told = rollout.events.length;
    const rests = ["live", "frozen", "refused", "superseded", "rolled-back"];
    if (rests.includes(rollout.phase)) {
      terminal.result(rollout);
      const isTold = rollout.events.some(({ text }) => text !== "" && rollout.says.includes(text));
      terminal.line(isTold ? sayPhase(rollout) : sayRollout(rollout));
      if (rollout.phase !== "live") process.exitCode = 1;
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, followEveryMs));
  }
}
