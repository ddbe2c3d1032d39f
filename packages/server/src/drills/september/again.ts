/** What must hold of the second incident: the playbook led to it, and it was proven and put right anew. */
import type { Incident } from "@lastgood/sdk";
import type { Proof } from "../drill.ts";
import { type Gain, gainOf } from "../gain.ts";
import { guiltyOf, type Played, type Round } from "./played.ts";
import { elapsed, handledMessages, proof, provedRuntime, provedWell } from "./proofs.ts";

export async function provedAgain(
  played: Played,
  again: Round,
  tip: string,
): Promise<readonly Proof[]> {
  const { world, client } = played;
  const { incident } = again;
  const handled = await handledMessages(world, again);
  const { skills } = await client.skills();
  const cases = await Promise.all(
    skills.map(async ({ name }) => (await client.skill(name)).playbook.cases),
  );
  const both = cases.find((each) => each.some((one) => one.incident === incident?.id)) ?? [];
  const proofs = [
    provedOther(played, again),
    ...handled.proofs,
    ...(await provedRuntime(world, again, tip)),
    await provedWell(world, again),
    proof("the incident is closed", incident?.state === "closed", incident?.state ?? "none"),
    ...provedPlaybook(again),
    proof(
      "its skill has both cases now",
      both.length === 2 && both.some((one) => one.incident === played.incident?.id),
      both.map((one) => one.incident).join(", ") || "none",
    ),
  ];
  return proofs.map((each) => ({ ...each, what: `again: ${each.what}` }));
}

/** It is the same damage, and nothing else of it is the same. */
function provedOther(first: Round, again: Round): Proof {
  const [before, now] = [first, again].map((round) => round.acts.find((act) => act.guilty));
  const other =
    guiltyOf(first) !== guiltyOf(again) &&
    before?.agent !== now?.agent &&
    before?.edit.subject !== now?.edit.subject;
  return proof(
    "the guilty commit is another one, by another hand, in other words",
    other,
    `${now?.agent}: "${now?.edit.subject}"`,
  );
}

/** The playbook said where to look before anything was run there, and the runs there are what convicted. */
export function provedPlaybook(
  again: Pick<Round, "acts" | "commits" | "incident">,
): readonly Proof[] {
  const { incident } = again;
  const guilty = guiltyOf(again);
  const suspect = incident?.suspects.find(({ to }) => to === guilty);
  const proposed = eventOf(incident, "playbook.proposed");
  const leads = (proposed?.details.leads ?? []) as readonly { readonly change: string }[];
  const reruns = incident?.reruns ?? [];
  const firstRun = reruns[0]?.at ?? "";
  const there = reruns.filter(({ revision }) => revision === guilty);
  const elsewhere = reruns.filter(
    ({ revision, outcome }) => revision !== guilty && outcome === "good",
  );
  return [
    proof(
      "the playbook of the first incident led to it, before any check was run",
      leads[0]?.change === suspect?.change && (proposed?.at ?? "~") <= firstRun,
      proposed?.text ?? "no playbook was consulted",
    ),
    proof(
      "it was proven anew, on the world as it is",
      there.some(({ outcome }) => outcome === "bad") &&
        elsewhere.length > 0 &&
        incident?.decision?.witnesses.includes("rerun") === true,
      `${there.length} runs with it, ${elsewhere.length} green ones without; witnesses: ${incident?.decision?.witnesses.join(", ") ?? "none"}`,
    ),
    ...(["playbook.confirmed", "playbook.put-right"] as const).map((event) => {
      const told = eventOf(incident, event);
      return proof(event, told !== undefined, told?.text ?? "it was not");
    }),
  ];
}

function eventOf(incident: Incident | null, event: string) {
  return incident?.timeline.find((each) => each.event === event);
}

/** Measured in one run, on one machine: the first time without a playbook, the second with it. */
export function gainFrom(first: Round, again: Round): Gain {
  return gainOf(timesOf(first), timesOf(again));
}

function timesOf(round: Round) {
  return { ...elapsed(round), runs: round.incident?.reruns.length ?? 0 };
}

/** How much faster it was the second time; milliseconds, and runs of a check. */
export function figuresOf(first: Round, again: Round) {
  const [before, now] = [elapsed(first), elapsed(again)];
  const runs = ({ incident }: Round) => incident?.reruns.length ?? 0;
  const suspects = ({ incident }: Round) => incident?.suspects.length ?? 0;
  const both = <T>(was: T, is: T) => ({ first: was, again: is });
  return {
    incident: again.incident?.id ?? null,
    ms: now,
    reruns: again.incident?.reruns ?? [],
    faster: {
      detectedToDecided: both(before.detectedToDecided, now.detectedToDecided),
      injectedToVerified: both(before.injectedToVerified, now.injectedToVerified),
      injectedToResumed: both(before.injectedToResumed, now.injectedToResumed),
      reruns: both(runs(first), runs(again)),
      suspects: both(suspects(first), suspects(again)),
    },
  };
}
