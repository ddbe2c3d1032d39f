/**
 * What Lastgood would have done, against what people did: the decisions it did not act on, and on
 * request the history replayed: recorded samples through the same detectors, the ledger as it was at
 * that time, the same weighing and the same ladder. A replay reruns nothing.
 */
import type { WouldHave } from "@lastgood/sdk";
import type { Config } from "../config/config.ts";
import type { ChangeId } from "../ids.ts";
import type { Change } from "../ledger/change.ts";
import { findChanges } from "../ledger/ledger-store.ts";
import type { Recoveries } from "../recovery/recovery.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import { type Permit, permit } from "./act-ladder.ts";
import { sayChange } from "./conclude.ts";
import { type EvidenceBoard, weigh } from "./evidence-board.ts";
import { gather, peersOf, type Suspected, slackOf } from "./gather.ts";
import { modeOf } from "./modes.ts";
import type { Replayed, ReplaySamples } from "./neighbours.ts";
import { symptomOf } from "./notice.ts";
import { type UnactedDecision, unactedDecisions } from "./triage-store.ts";

export interface WouldHaveDeps {
  readonly db: Db;
  readonly world: World;
  readonly config: Config;
  readonly recoveries: Recoveries;
  /** Null where no samples are recorded that could be replayed. */
  readonly replay: ReplaySamples | null;
}

const decisionsMax = 200;
const replayMsMax = 90_000;
/** How long after a decision a person's act still answers it. */
const answeredWithinMs = 7 * 86_400_000;
const sameIncidentMs = 15 * 60_000;

/** Newest first. Without `replaySince` only what was decided at the time. */
export async function wouldHave(
  deps: WouldHaveDeps,
  since: Date,
  replaySince: Date | null,
): Promise<{ readonly decisions: readonly WouldHave[]; readonly notReplayed: readonly string[] }> {
  const unacted = await unactedDecisions(deps.db, since, decisionsMax);
  const recorded = await Promise.all(unacted.map((each) => toWouldHave(deps, each)));
  if (replaySince === null) return { decisions: recorded, notReplayed: [] };
  if (deps.replay === null) {
    return { decisions: recorded, notReplayed: ["no samples are recorded that could be replayed"] };
  }
  const replayed = await deps.replay(replaySince, AbortSignal.timeout(replayMsMax));
  const again: WouldHave[] = [];
  for (const each of firstOfEach(replayed)) {
    const at = each.verdict.at.getTime();
    const known = recorded.some(
      ({ service, at: then }) =>
        service === each.verdict.service &&
        Math.abs(new Date(then).getTime() - at) < sameIncidentMs,
    );
    const decision = known ? null : await decideReplayed(deps, each);
    if (decision !== null) again.push(decision);
  }
  return {
    decisions: [...recorded, ...again].sort((one, other) => other.at.localeCompare(one.at)),
    notReplayed: ["reruns in a sandbox: what only a rerun could split stays with a person"],
  };
}

/** A regression that lasts is one: the first verdict of each service within a quarter of an hour. */
function firstOfEach(replayed: readonly Replayed[]): readonly Replayed[] {
  const last = new Map<string, number>();
  return [...replayed]
    .sort((one, other) => one.verdict.at.getTime() - other.verdict.at.getTime())
    .filter(({ verdict }) => {
      const at = verdict.at.getTime();
      const before = last.get(verdict.service);
      last.set(verdict.service, at);
      return before === undefined || at - before > sameIncidentMs;
    });
}

async function toWouldHave(deps: WouldHaveDeps, decision: UnactedDecision): Promise<WouldHave> {
  const changes = await findChanges(deps.db, {
    ids: decision.changes,
    limit: Math.max(1, decision.changes.length),
  });
  const approved = await wasApproved(deps, decision);
  const answer = approved ?? (await whatPeopleDid(deps, decision.service, changes, decision.at));
  return {
    at: decision.at.toISOString(),
    incident: decision.incident,
    service: decision.service,
    would: decision.would,
    mode: decision.mode,
    changes: decision.changes,
    says: sayAll(changes),
    posterior: decision.posterior,
    because: decision.because,
    ...answer,
  };
}

type Answer = Pick<WouldHave, "people" | "peopleSay">;

async function wasApproved(
  { recoveries }: WouldHaveDeps,
  { recovery: id }: UnactedDecision,
): Promise<Answer | null> {
  const recovery = id === null ? null : await recoveries.find(id);
  const [first] = recovery?.approvals ?? [];
  return first === undefined
    ? null
    : { people: "agreed", peopleSay: `${first} approved ${recovery?.id ?? ""}` };
}

/** A person took the same change back, deployed what was before it, or took back another one. */
async function whatPeopleDid(
  { db }: WouldHaveDeps,
  service: string,
  meant: readonly Change[],
  at: Date,
): Promise<Answer> {
  const until = new Date(at.getTime() + answeredWithinMs);
  const ids = meant.map((change) => change.id);
  const before = meant.flatMap((change) => (change.from === null ? [] : [change.from]));
  const rows = await db<{ agent: string; at: Date; kind: string; same: boolean }[]>`
    select c.agent, c.at, c.kind,
           (c.reverts && ${ids}::uuid[] or c.layer = 'runtime') as same
    from changes c
    where c.at between ${at} and ${until}
      and c.agent not like 'recovery:%' and c.agent <> 'lastgood'
      and (c.reverts <> '{}' and (c.reverts && ${ids}::uuid[] or exists (
             select from exposures e where e.change_id = any(c.reverts) and e.service = ${service}))
        or c.layer = 'runtime' and c.target = ${service} and c.to_ref = any(${before}))
    order by same desc, c.at limit 1`;
  const [row] = rows;
  if (row === undefined) return { people: "nothing", peopleSay: "nobody took anything back" };
  const when = row.at.toISOString();
  return row.same
    ? { people: "agreed", peopleSay: `${row.agent} took it back at ${when} (${row.kind})` }
    : { people: "other", peopleSay: `${row.agent} took another change back at ${when}` };
}

/** The same gathering, weighing and ladder, at the time of the verdict. Null: it would have moved nothing. */
async function decideReplayed(
  deps: WouldHaveDeps,
  { verdict, contrast }: Replayed,
): Promise<WouldHave | null> {
  const { db, config } = deps;
  const symptom = symptomOf(verdict);
  const { service, onset } = symptom;
  const suspected = await gather(db, config, { service, onset, asOf: verdict.at });
  const board: EvidenceBoard = {
    suspected,
    contrasts: new Map(
      suspected.map(({ exposedAt }) => [exposedAt.getTime(), contrast(exposedAt)]),
    ),
    reporters: new Map(),
    reruns: new Map(),
    peers: { watched: peersOf(config, [service], suspected).length, showing: [] },
    onset,
    slackMs: slackOf(config, service),
  };
  const judgement = weigh(board).judge(config.triage, true);
  const mode = modeOf(config, [service], ["code"]);
  const permitted: Permit = permit(judgement, {
    mode,
    frozenBecause: null,
    indicatorsOnly: !verdict.customerFacing,
    drift: verdict.kind === "drift",
    humanDecisions: [],
    plan: { reversible: true, conflicts: [] },
    unplanned: null,
    beyondAuthority: [],
    recoveries: { today: 0, inARow: 0 },
    caps: config.caps,
    severity: verdict.severity,
  });
  if (permitted.would === "none") return null;
  const meant = meantBy(suspected, judgement.changes);
  return {
    at: verdict.at.toISOString(),
    incident: null,
    service,
    would: permitted.would,
    mode,
    changes: judgement.changes,
    says: sayAll(meant),
    posterior: judgement.posterior,
    because: permitted.because,
    ...(await whatPeopleDid(deps, service, meant, verdict.at)),
  };
}

function meantBy(suspected: readonly Suspected[], ids: readonly ChangeId[]): readonly Change[] {
  return suspected.map(({ change }) => change).filter((change) => ids.includes(change.id));
}

function sayAll(changes: readonly Change[]): string {
  return changes.length === 0 ? "no change" : changes.map(sayChange).join(", ");
}
