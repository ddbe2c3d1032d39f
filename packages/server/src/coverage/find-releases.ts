import type { Finding } from "@lastgood/sdk";
import type { CoverageCheck, Facts, PriorFact } from "./facts.ts";

const dayMs = 86_400_000;
const drillMsMax = 90 * dayMs;
/** A segment that has fewer samples is not judged anyway. */
const leftOutMin = 20;
/** A try that is older than this many of its own intervals did not happen when it should have. */
const missedMax = 3;

export const releaseChecks: readonly CoverageCheck[] = [priors, watched, live, segments];

/** What a rollback would go to: whether it is known to start, and whether going there was rehearsed. */
function priors({ priors: seen, at, config }: Facts): readonly Finding[] {
  if (!seen.seen) return [];
  return seen.value.flatMap((prior) => {
    const settings = Object.hasOwn(config.rollouts, prior.artifact)
      ? config.rollouts[prior.artifact]
      : undefined;
    const everyMs = settings?.probe.every ?? 300_000;
    return [...passable(prior, at, everyMs), ...(settings ? rehearsed(prior, at) : [])];
  });
}

function passable(prior: PriorFact, at: Date, everyMs: number): readonly Finding[] {
  const { environment, artifact, version } = prior;
  const common = {
    about: `${environment}/${artifact}`,
    mend: `lastgood rollout prior ${artifact} --environment ${environment}`,
  } as const;
  const when = prior.at.toISOString();
  if (!prior.ok) {
    const says = `a rollback would go to ${version}, which is not passable (${prior.says}), as seen at ${when}`;
    return [{ ...common, kind: "broken", code: "prior-not-passable", says }];
  }
  if (at.getTime() - prior.at.getTime() > missedMax * everyMs + 60_000) {
    const says = `a rollback would go to ${version}, which was last tried at ${when}`;
    return [{ ...common, kind: "stale", code: "prior-not-tried", says }];
  }
  if (prior.starts) return [];
  return [
    {
      ...common,
      kind: "noted",
      code: "prior-not-started",
      says: `a rollback would go to ${version}: it is whole, and nobody knows whether it starts`,
      mend: `lastgood config set rollouts.${artifact}.probe.start '["./start", "--check"]'`,
    },
  ];
}

function rehearsed({ environment, artifact, drill }: PriorFact, at: Date): readonly Finding[] {
  const common = {
    about: `${environment}/${artifact}`,
    mend: `lastgood drill reverse ${artifact} --environment ${environment}`,
  } as const;
  if (drill === null) {
    const says = "its way back was never drilled on the live fleet";
    return [{ ...common, kind: "stale", code: "reverse-never-drilled", says }];
  }
  if (!drill.ok) {
    const says = `the drill of its way back failed at ${drill.at.toISOString()}`;
    return [{ ...common, kind: "broken", code: "reverse-drill-failed", says }];
  }
  if (at.getTime() - drill.at.getTime() <= drillMsMax) return [];
  const says = `its way back was last drilled at ${drill.at.toISOString()}`;
  return [{ ...common, kind: "stale", code: "reverse-drill-old", says }];
}

/** What serves fails a check that was green before: nothing moves by that alone, so somebody must hear of it. */
function live({ looks }: Facts): readonly Finding[] {
  if (!looks.seen) return [];
  return looks.value
    .filter(({ ok }) => ok !== true)
    .map(({ environment, artifact, version, ok, says, at }) => ({
      kind: ok === false ? "broken" : "noted",
      code: ok === false ? "live-fails-check" : "live-not-told",
      about: `${environment}/${artifact}`,
      says: `${version} serves, and of the bank ${says}, as seen at ${at.toISOString()}`,
      mend: `lastgood gate live ${artifact} --environment ${environment}`,
    }));
}

/** What is worse for some is found where these are judged by themselves, and 32 segments are. */
function segments({ leftOut }: Facts): readonly Finding[] {
  if (!leftOut.seen) return [];
  return leftOut.value
    .filter(({ samples }) => samples >= leftOutMin)
    .map(({ about, what, shownBy, samples, busiest }) => ({
      kind: "unprotected",
      code: "segments-not-judged",
      about,
      says: `${samples} samples of ${what} are in segments that are not judged by themselves, as 32 others are (most of them ${busiest.join(", ")}): declare dimensions with fewer values`,
      mend: shownBy,
    }));
}

/** A ramp that nothing is held to goes up by the clock alone. */
function watched({ config }: Facts): readonly Finding[] {
  return Object.entries(config.rollouts)
    .filter(([, { guardrails }]) => guardrails.length === 0)
    .map(([artifact]) => ({
      kind: "unprotected",
      code: "rollout-without-guardrails",
      about: `artifact ${artifact}`,
      says: "its rollouts are held to no signal: nobody would notice that a release is worse",
      mend: `lastgood config set rollouts.${artifact}.guardrails '[{"signal": "success"}]'`,
    }));
}
