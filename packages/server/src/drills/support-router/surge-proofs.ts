/** What the drill holds a surge against: the customers' own record, the triagers' journals, and the pins. */

import type { Proof } from "../drill.ts";
import { type JournalLine, readJournal } from "../journal.ts";
import type { Played } from "./played.ts";
import { proof } from "./proof.ts";
import { accuracyOf, lastAnswerOf, sentBetween, share, unanswered } from "./reading.ts";
import { artifact, environment, triagers } from "./story.ts";

export const accuracyWanted = 0.91;
/** Below it the damage is plain to see; the story's own figure is .81. */
const accuracyBroken = 0.86;
const backWithinMs = 10_000;

export async function provedSurge(played: Played, pages: number): Promise<readonly Proof[]> {
  return [
    await provedGate(played),
    ...provedAccuracy(played),
    provedVerdict(played),
    provedRamp(played),
    provedSpeed(played),
    ...(await provedNothingLost(played)),
    ...(await provedConsumers(played)),
    provedIncident(played, pages),
  ];
}

/** When the judge was sure: what was told first of it, be it by the incident or by the rollout. Null: never. */
export function triggeredAt({ ended, incident }: Pick<Played, "ended" | "incident">): Date | null {
  const frozen = ended.events.find(({ event }) => event === "rollout.frozen");
  const decided = incident?.timeline.find(({ event }) => event === "incident.investigated");
  const times = [frozen?.at, decided?.at].flatMap((at) =>
    at === undefined ? [] : [Date.parse(at)],
  );
  return times.length === 0 ? null : new Date(Math.min(...times));
}

async function provedGate({ client, live }: Played): Promise<Proof> {
  const { scores } = await client.release(artifact, "14");
  const bank = scores.find(({ name }) => name === "gate.checks")?.value ?? Number.NaN;
  return proof(
    "v14 had passed its gate, the offline set and all, and was live",
    live.phase === "live" && bank === 1,
    `${live.phase} with ${live.percent} %, ${share(bank)} of the checks passed`,
  );
}

function provedAccuracy({ requests, live, injectedAt }: Played): readonly Proof[] {
  const before = sentBetween(requests, new Date(live.since), injectedAt);
  const broken = sentBetween(requests, injectedAt, null).filter(({ version }) => version === "14");
  const last = lastAnswerOf(requests, "14");
  // What v16 answers later is another story.
  const after = sentBetween(requests, last, null).filter(({ version }) => version === "13");
  const says = (of: typeof before) => `${share(accuracyOf(of))} of ${of.length} tickets`;
  return [
    proof("before the surge v14 was good", accuracyOf(before) >= accuracyWanted, says(before)),
    proof("the surge made v14 misroute", accuracyOf(broken) <= accuracyBroken, says(broken)),
    proof(
      `since v13 serves everything the accuracy is ${accuracyWanted} or more`,
      last !== null && accuracyOf(after) >= accuracyWanted,
      says(after),
    ),
  ];
}

function provedVerdict({ ended }: Played): Proof {
  const told = ended.events.find(({ event }) => event === "rollout.frozen");
  const { verdict } = (told?.details ?? {}) as {
    readonly verdict?: { readonly method: string; readonly control: string | null };
  };
  return proof(
    "the regression was confirmed against v13 on the same traffic",
    verdict?.method === "paired" && verdict.control === "13",
    told?.text ?? "there was no verdict",
  );
}

/** The pins since v14 was live: first a part to v13, then everything. */
function provedRamp({ pins, live, ended }: Played): Proof {
  const forth = pins.find(({ at }) => new Date(at) <= new Date(live.since));
  const last = pins.findLast(
    ({ epoch, shares }) => epoch > (forth?.epoch ?? 0) && shareOf(shares, "13") === 100,
  );
  const way = pins
    .filter(
      ({ epoch }) =>
        epoch > (forth?.epoch ?? 0) && epoch <= (last?.epoch ?? Number.POSITIVE_INFINITY),
    )
    .map(({ shares }) => shareOf(shares, "13"))
    .toReversed();
  const wanted = ended.plan.reverse.map(({ percent }) => percent);
  return proof(
    "the reverse ramp was taken: a part to v13 while it was watched, then all",
    JSON.stringify(way) === JSON.stringify(wanted),
    way.length === 0 ? "no pin moved" : `${way.join(" %, ")} % on v13`,
  );
}

function shareOf(
  shares: readonly { readonly version: string; readonly share: number }[],
  version: string,
): number {
  return shares.find((each) => each.version === version)?.share ?? 0;
}

function provedSpeed(played: Played): Proof {
  const trigger = triggeredAt(played);
  const last = lastAnswerOf(played.requests, "14");
  const isBack = played.ended.phase === "rolled-back";
  const tookMs =
    trigger === null || last === null ? Number.NaN : last.getTime() - trigger.getTime();
  return proof(
    `from the trigger to v13 serving everything it took less than ${backWithinMs / 1_000} s, ramp included`,
    isBack && tookMs < backWithinMs,
    isBack ? `${tookMs} ms` : `it is ${played.ended.phase}`,
  );
}

async function provedNothingLost({ client, requests }: Played): Promise<readonly Proof[]> {
  const lost = unanswered(requests);
  const account = await client.inFlightAccount(environment, artifact);
  const open = account.running + account.waiting;
  return [
    proof(
      "no request was dropped",
      lost.length === 0,
      `${lost.length} of ${requests.length} tickets without an answer${lost[0] === undefined ? "" : `, such as ${lost[0].ticket}: ${lost[0].error}`}`,
    ),
    proof(
      "what was in flight is accounted for",
      open === 0 && account.failed === 0,
      `${account.inFlight} in flight: ${account.finished} finished, ${account.switched} switched, ${account.retried} retried, ${account.failed} failed, ${open} open`,
    ),
  ];
}

/** What the triagers kept of v14's answers went with the pin. */
async function provedConsumers({ world, pins, stragglers }: Played): Promise<readonly Proof[]> {
  const back = pins.findLast(
    ({ epoch, shares }) => epoch > firstEpochOf(pins, "14") && shareOf(shares, "13") === 100,
  );
  const journals = await Promise.all(triagers.map((name) => readJournal(world.folder, name)));
  const dropped = journals.filter((lines) =>
    lines.some(
      ({ event, epoch }) => event === "dropped" && Number(epoch) >= (back?.epoch ?? Number.NaN),
    ),
  );
  const stale = journals.reduce((sum, lines) => sum + staleAnswers(lines, back?.epoch ?? 0), 0);
  const kept = journals.flat().filter(({ from }) => from === "cache").length;
  return [
    proof(
      "every consumer followed, and dropped what it had kept",
      dropped.length === triagers.length && stragglers === 0,
      `${dropped.length} of ${triagers.length} dropped, ${stragglers} stragglers`,
    ),
    proof(
      "nothing that was kept of v14 was served afterwards",
      back !== undefined && stale === 0,
      `${stale} of ${kept} answers out of a cache`,
    ),
  ];
}

function firstEpochOf(pins: Played["pins"], version: string): number {
  const brought = pins.findLast(({ shares }) => shareOf(shares, version) > 0);
  return brought?.epoch ?? Number.POSITIVE_INFINITY;
}

function staleAnswers(lines: readonly JournalLine[], epoch: number): number {
  const from = lines.findIndex((line) => line.event === "dropped" && Number(line.epoch) >= epoch);
  if (from < 0) return 0;
  return lines
    .slice(from)
    .filter((line) => line.event === "handled" && line.from === "cache" && line.version === "14")
    .length;
}

function provedIncident({ incident }: Played, pages: number): Proof {
  return proof(
    "the incident is closed, and nobody was called",
    incident?.state === "closed" && pages === 0,
    `${incident?.state ?? "none was opened"}, ${pages} pages`,
  );
}
