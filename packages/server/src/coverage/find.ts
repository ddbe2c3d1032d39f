/** What doctor says: one small check for each thing that can be missing, in one table. Pure. */
import type { Finding, FindingKind } from "@lastgood/sdk";
import type { CoverageCheck, Facts, Seen } from "./facts.ts";
import { agentChecks } from "./find-agents.ts";
import { installationChecks } from "./find-installation.ts";
import { peopleChecks } from "./find-people.ts";
import { releaseChecks } from "./find-releases.ts";
import { serviceChecks } from "./find-services.ts";

/** Every check, in the order in which equals are told. */
export const checks: readonly CoverageCheck[] = [
  ...installationChecks,
  ...peopleChecks,
  ...serviceChecks,
  ...releaseChecks,
  ...agentChecks,
  unseen,
];

const worstFirst: readonly FindingKind[] = ["broken", "unprotected", "stale", "noted"];

/** All findings, worst first, each once. */
export function findGaps(facts: Facts): readonly Finding[] {
  const found = checks.flatMap((check) => check(facts)).map((each) => mendedWhere(each, facts));
  return found.toSorted(
    (one, other) => worstFirst.indexOf(one.kind) - worstFirst.indexOf(other.kind),
  );
}

/** A setting is set in the server's own file, wherever the command is run. */
function mendedWhere(finding: Finding, { file }: Facts): Finding {
  if (file === null || !finding.mend.startsWith("lastgood config set ")) return finding;
  return { ...finding, mend: `${finding.mend} --file ${file.path}` };
}

const sources = [
  "repositories",
  "services",
  "rules",
  "messages",
  "agents",
  "pages",
  "recoveries",
  "priors",
  "looks",
  "freeze",
  "store",
  "disk",
  "backup",
  "drill",
  "servers",
] as const satisfies readonly (keyof Facts)[];

/** What could not be looked at is not well: it is unknown, and that is said. */
function unseen(facts: Facts): readonly Finding[] {
  return sources.flatMap((source) => {
    const seen: Seen<unknown> = facts[source];
    if (seen.seen) return [];
    return [
      {
        kind: "broken",
        code: "not-looked-at",
        about: source,
        says: `the ${source} could not be looked at: ${seen.because}`,
        mend: "lastgood doctor",
      },
    ];
  });
}
