/** What the drill holds an outage against: it is nobody's release, so nothing may go back. */
import type { Proof } from "../drill.ts";
import type { Played } from "./played.ts";
import { proof } from "./proof.ts";
import { accuracyOf, sentBetween, share, unanswered } from "./reading.ts";
import { artifact } from "./story.ts";
import { accuracyWanted } from "./surge-proofs.ts";

export async function provedOutage(played: Played): Promise<readonly Proof[]> {
  const { client, requests, injectedAt, mendedAt, toldApart, pins, live, ended, incident } = played;
  const during = sentBetween(requests, injectedAt, mendedAt);
  const after = sentBetween(requests, mendedAt, null);
  const lost = unanswered(during).length;
  const moved = pins.filter(({ at }) => new Date(at) > injectedAt);
  const { barred } = await client.release(artifact, "14");
  return [
    proof(
      "v14 had passed its gate, and was live",
      live.phase === "live",
      `${live.phase} with ${live.percent} %`,
    ),
    proof(
      "the outage reached the customers",
      lost * 4 >= during.length,
      `${lost} of ${during.length} tickets without an answer`,
    ),
    proof(
      "no pin was moved",
      moved.length === 0 && barred === null,
      moved.length === 0 ? `${ended.candidate} is ${ended.phase}` : moved.map(sayPin).join("; "),
    ),
    proof(
      "v13 was seen to suffer alike",
      toldApart !== null && ended.phase === "live",
      toldApart ?? "the judge did not say so",
    ),
    proof(
      "an incident was opened",
      incident !== null,
      incident === null ? "none" : `${incident.state}: ${incident.title}`,
    ),
    proof(
      "once it was over every ticket was answered, as well as before",
      unanswered(after).length === 0 && accuracyOf(after) >= accuracyWanted,
      `${share(accuracyOf(after))} of ${after.length} tickets, ${unanswered(after).length} without an answer`,
    ),
  ];
}

function sayPin({ by, shares }: Played["pins"][number]): string {
  return `${by} pinned ${shares.map(({ version, share: part }) => `${version}:${part}`).join(" ")}`;
}
