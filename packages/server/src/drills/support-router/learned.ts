/** What the drill holds the learning against: the bank, and what became of the candidates that came after. */
import type { BankCheck, PostMortem } from "@lastgood/sdk";
import type { Proof } from "../drill.ts";
import type { Played } from "./played.ts";
import { proof } from "./proof.ts";
import { artifact } from "./story.ts";

export async function provedLearning(
  played: Played,
  postMortem: PostMortem | null,
): Promise<readonly Proof[]> {
  const { client, incident, candidates } = played;
  const { checks } = await client.checkBank({ artifact });
  const learned = checks.find((each) => each.incident !== null && each.incident === incident?.id);
  const [same, mended] = candidates;
  const refusal = same?.events.findLast(({ event }) => event === "rollout.refused");
  return [
    proof("the post-mortem is written", postMortem?.draft === false, postMortem?.title ?? "none"),
    provedCategory(played, learned),
    proof(
      "v15, with the same bias, failed in shadow",
      same?.phase === "refused" && failedInShadow(refusal?.details ?? {}),
      same === undefined ? "it was not tried" : `it is ${same.phase}: ${same.says}`,
    ),
    proof(
      "v16, without it, passed its gate",
      mended?.phase === "canary" || mended?.phase === "live",
      mended === undefined ? "it was not tried" : `${mended.phase}: ${mended.says}`,
    ),
  ];
}

/** Its cases are tickets of the surge, with where they belonged. */
function provedCategory({ requests }: Played, check: BankCheck | undefined): Proof {
  const what = "the category is in the bank, sampled from the surge";
  if (check === undefined) return proof(what, false, "no check was learned from the incident");
  const sent = new Map(requests.map((each) => [each.text, each]));
  const known = check.cases.flatMap(({ input, expected }) => {
    const ticket = sent.get(textOf(input));
    return ticket === undefined ? [] : [{ ticket, expected }];
  });
  const ofSurge = known.filter(({ ticket }) => ticket.isOfSurge).length;
  const right = known.filter(({ ticket, expected }) => ticket.belongs === expected).length;
  return proof(
    what,
    known.length === check.cases.length && right === known.length && ofSurge * 2 > known.length,
    `${check.name}: ${check.cases.length} cases, ${ofSurge} of the surge, ${right} with where they belonged`,
  );
}

function textOf(input: unknown): string {
  const { messages } = input as { readonly messages?: readonly { readonly content?: unknown }[] };
  return String(messages?.at(-1)?.content ?? "");
}

function failedInShadow(details: Readonly<Record<string, unknown>>): boolean {
  const { failed = [] } = details as { readonly failed?: readonly { readonly bank?: string }[] };
  return failed.some(({ bank }) => bank === "shadow");
}
