/** Judges what was played by what can be read in the world, and sums it up. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Incident, PostMortem } from "@lastgood/sdk";
import type { DrillReport, Proof } from "../drill.ts";
import type { Played } from "./played.ts";
import { failedOfLimit, paidCounts, successOf } from "./reading.ts";
import { failuresMin } from "./story.ts";

const switchedMsMax = 1_000;
const goodShare = 0.95;
const badShare = 0.8;

export async function reportOf(played: Played): Promise<DrillReport> {
  const { story, client, incident, ending, world, timeline, settingsNotDefault } = played;
  const learned = incident === null ? null : await learn(played, incident);
  const { pages } = await client.pages();
  const paid = paidCounts(played.payments);
  const lost = played.queued.filter((key) => !paid.has(key)).length;
  const doubled = [...paid.values()].filter((count) => count > 1).length;
  const proofs = [
    ...provedDamage(played),
    ...provedCall(played, pages.length),
    ...provedSwitch(played),
    provedPolicy(played),
    ...provedRefunds(played, paid),
    ...provedLearning(played, learned),
    proof(
      "nothing was set beyond what init wrote",
      settingsNotDefault.length === 0,
      settingsNotDefault.join(", ") || "nothing",
    ),
  ];
  return {
    drill: "refund-spec",
    ok: proofs.every(({ holds }) => holds),
    ...{ ending, seed: story.seed, variant: "plain", timeline },
    ms: elapsed(played),
    lost: { messages: 0, documents: 0, commits: 0, executions: lost },
    duplicated: { messages: 0, effects: doubled, work: 0 },
    incident: incident?.id ?? null,
    suspects: (incident?.suspects ?? []).map(({ change, posterior, observations }) => ({
      ...{ change, posterior, evidence: observations },
    })),
    pages: pages.length,
    postMortem: learned === null ? null : join(world.folder, "post-mortem.md"),
    check: learned?.check?.id ?? null,
    // A person put it right by a plan of their own: there is none of ours to learn.
    skill: null,
    proofs,
    details: detailsOf(played),
  };
}

function detailsOf(played: Played): Readonly<Record<string, unknown>> {
  const { story, switched, queued, late, gates, requests, settingsNotDefault } = played;
  return {
    ...{ guilty: ["2.1.0"], reverted: ["2.1.0"], kept: ["2.0.3"], settingsNotDefault },
    ...{ inFlight: story.inFlight, account: switched.account, requests: requests.length },
    ...{ queuedAgain: queued.length, failedInFlight: late },
    switchedMs: switchedMs(played),
    gates: gates.map(({ candidate, verdict, shadow }) => ({
      ...{ candidate, verdict: verdict?.kind ?? null, because: verdict?.because ?? null },
      shadowed: shadow?.inputs ?? 0,
    })),
  };
}

function provedDamage({ requests, injectedAt }: Played): readonly Proof[] {
  const before = successOf(requests, "2.0.3", new Date(0));
  const during = successOf(requests, "2.1.0", injectedAt);
  const failed = failedOfLimit(requests).length;
  return [
    proof(
      "the new limit did the damage: the same customers, another spec",
      before.share >= goodShare && during.share <= badShare,
      `${percent(before)} under 2.0.3, ${percent(during)} under 2.1.0`,
    ),
    proof("enough refunds failed", failed >= failuresMin, `${failed} of what was owed`),
  ];
}

function provedCall({ incident }: Played, pages: number): readonly Proof[] {
  const named = incident?.suspects.find(({ change }) =>
    incident.decision?.changes.includes(change),
  );
  return [
    proof(
      "Lastgood named the release, and moved nothing by itself",
      named?.layer === "versions" && named.to === "2.1.0" && incident?.decision?.act !== "run",
      `${named?.to ?? "nothing"} (${incident?.decision?.act ?? "no decision"})`,
    ),
    proof("a person was called, once", pages === 1, `${pages} pages`),
  ];
}

function provedSwitch(played: Played): readonly Proof[] {
  const { typed, look, moved } = switchedMs(played);
  const { stragglers } = played.switched;
  return [
    proof(
      "one command switched every agent within a second",
      typed - look < switchedMsMax,
      `${typed} ms after it was typed, where one that only looks takes ${look} ms; ${moved} ms after the pin moved`,
    ),
    proof("nobody was left behind", stragglers === 0, `${stragglers} stragglers`),
  ];
}

/** From the command, and from the pin's move, to the last agent's following. */
function switchedMs({ switched: { typedAt, lookMs: look, movedAt, followedAt } }: Played) {
  const last = Math.max(...followedAt.map((each) => each.getTime()));
  return { typed: last - typedAt.getTime(), look, moved: last - movedAt.getTime() };
}

/** Every one that was in flight is accounted for, and by the policy that was chosen. */
function provedPolicy({ switched: { account }, story }: Played): Proof {
  const { inFlight, finished, switched, retried, failed, running, waiting } = account;
  const all = finished + switched + retried + failed === inFlight && running + waiting === 0;
  const byPolicy = {
    "finish-old": switched === 0,
    switch: switched > 0 && retried === 0,
    "cancel-retry": retried > 0 && switched === 0,
  } as const;
  return proof(
    `what was in flight followed its policy (${story.inFlight})`,
    inFlight > 0 && all && byPolicy[story.inFlight],
    `${inFlight}: ${finished} finished, ${switched} switched, ${retried} retried, ${failed} failed`,
  );
}

function provedRefunds(
  { queued, requests, switched, payments }: Played,
  paid: ReadonlyMap<string, number>,
): readonly Proof[] {
  const failed = failedOfLimit(requests);
  const once = queued.filter((key) => paid.get(key) === 1);
  const twice = [...paid].filter(([, count]) => count > 1).map(([request]) => request);
  const owed = new Set(requests.filter(({ isOwed }) => isOwed).map(({ id }) => id));
  const undue = payments.filter(({ request }) => !owed.has(request));
  const after = successOf(requests, "2.0.3", switched.movedAt);
  return [
    proof(
      "each refund that failed was queued again and paid once",
      queued.length === failed.length && once.length === queued.length,
      `${once.length} of ${queued.length} paid once, of ${failed.length} that failed`,
    ),
    proof(
      "no refund was paid twice, and none that nobody is owed",
      twice.length === 0 && undue.length === 0,
      `${twice.length} twice, ${undue.length} undue, of ${paid.size}`,
    ),
    proof("refunds succeed again", after.share >= goodShare, `${percent(after)} since the switch`),
  ];
}

function provedLearning(
  { incident, gates, nextAt, requests }: Played,
  learned: PostMortem | null,
): readonly Proof[] {
  const [same, better] = gates;
  const next = nextAt === null ? null : successOf(requests, "2.2.0", nextAt);
  return [
    proof("the incident is closed", incident?.state === "closed", incident?.state ?? "none"),
    proof("the post-mortem is written", learned !== null, learned?.title ?? "none"),
    proof(
      "its check was red on 2.1.0 and green on 2.0.3",
      learned?.check?.accepted === true,
      learned?.check?.because ?? "no check",
    ),
    proof(
      "a spec with the same fault does not come through the gate",
      same?.verdict?.kind === "refuse",
      `2.1.1: ${same?.verdict?.kind ?? "not judged"}, ${same?.verdict?.because ?? ""}`,
    ),
    proof(
      "the spec with the exception path does, and refunds succeed under it",
      better?.verdict?.kind === "promote" && next !== null && next.share >= goodShare,
      `2.2.0: ${better?.verdict?.kind ?? "not judged"}, ${next === null ? "not deployed" : percent(next)}`,
    ),
  ];
}

function percent({ share, of }: { readonly share: number; readonly of: number }): string {
  return `${(100 * share).toFixed(1)} % of ${of}`;
}

async function learn({ client, world }: Played, { id }: Incident): Promise<PostMortem | null> {
  try {
    const { markdown } = await client.postMortemMarkdown(id);
    await writeFile(join(world.folder, "post-mortem.md"), markdown);
    return await client.postMortem(id);
  } catch {
    // No post-mortem: the proof that it is written says so.
    return null;
  }
}

function elapsed(played: Played): DrillReport["ms"] {
  const { incident, injectedAt, switched } = played;
  const at = (text: string | null | undefined) => (text == null ? null : new Date(text).getTime());
  const injected = injectedAt.getTime();
  const detected = at(incident?.detectedAt);
  const decided = at(incident?.decidedAt);
  const contained = switched.movedAt.getTime();
  const verified = at(incident?.verifiedAt);
  const span = (from: number | null, to: number | null) =>
    from === null || to === null ? null : to - from;
  return {
    injectedToDetected: span(injected, detected),
    detectedToDecided: span(detected, decided),
    decidedToContained: span(decided, contained),
    containedToVerified: span(contained, verified),
    injectedToVerified: span(injected, verified),
    injectedToResumed: span(injected, at(incident?.resumedAt)),
  };
}

function proof(what: string, holds: boolean, seen: string): Proof {
  return { what, holds, seen };
}
