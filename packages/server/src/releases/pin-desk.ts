/**
 * Deploying and rolling back, as people and agents ask for it.
 *
 *   K1. A deployment is refused before anything moves: without a policy, without a review that is required,
 *       of what was rolled back, of what is not there.
 *   K2. Going back is always allowed: neither policy nor review stands in its way.
 *   K3. What was rolled back is barred, in the same transaction.
 */
import type { InFlightPolicy } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Query, Tx } from "../store/database.ts";
import { newChangeId } from "../world.ts";
import { lockArtifact, requireArtifact, saveSettings } from "./artifact-store.ts";
import {
  type Decided,
  type Move,
  type MoveDeps,
  type Moved,
  movePin,
  type Standing,
  type Wrote,
} from "./move-pin.ts";
import {
  gainedBy,
  type Pin,
  requireExpected,
  rollbackOf,
  sayShares,
  sharesFor,
  type Wanted,
} from "./pin.ts";
import { liveBefore, pinHistory, requirePin } from "./pin-store.ts";
import { type EffectsSeen, policyMissing, proposePolicy } from "./policy.ts";
import { type Release, requireKept, requireNotBarred, requireReviewed } from "./release.ts";
import {
  barredLike,
  barredVersions,
  findReleases,
  insertBars,
  liftBars,
  noRelease,
} from "./release-store.ts";

export interface DeskDeps extends MoveDeps {
  /** The agents that use the artifact, declared or seen. */
  agentsUsing(db: Query, artifact: string): Promise<readonly string[]>;
  effectsOf(db: Query, agents: readonly string[]): Promise<EffectsSeen>;
}

export interface Deploy {
  readonly environment: string;
  readonly artifact: string;
  readonly wanted: Wanted;
  readonly by: string;
  readonly session: string | null;
  readonly because: string;
  readonly expect: number | null;
  /** Chosen with the deployment, where the artifact has none yet. */
  readonly inFlight: InFlightPolicy | null;
  /** Why what was rolled back may come again. */
  readonly override: string | null;
}

export type RollBack = Pick<
  Deploy,
  "environment" | "artifact" | "by" | "session" | "because" | "expect"
>;

export interface PinDesk {
  /** `wrote` is called in the same transaction when the pin did move. */
  deploy(wanted: Deploy, wrote?: Wrote): Promise<Moved>;
  /** What would stand against the deployment, thrown; nothing moves. Returns the pin in force. */
  requireDeployable(tx: Tx, wanted: Deploy): Promise<Pin | null>;
  /** As whoever asks has decided already. */
  move(move: Move, wrote?: Wrote): Promise<Moved>;
  /** Faults `not_found` where nothing is pinned, `state_forbids` where nothing was before. */
  rollBack(wanted: RollBack): Promise<Moved>;
}

export function createPinDesk(deps: DeskDeps): PinDesk {
  const { db, world } = deps;
  return {
    async deploy(deploy, wrote) {
      const { wanted: _wanted, inFlight: _inFlight, override: _override, ...rest } = deploy;
      const move: Move = {
        ...{ ...rest, change: newChangeId(world), did: "deploy" },
        decide: (tx, now) => admit(tx, deps, deploy, now),
      };
      return await movePin(deps, move, wrote);
    },
    async requireDeployable(tx, deploy) {
      const artifact = await lockArtifact(tx, deploy.artifact);
      const history = await pinHistory(tx, deploy.environment, deploy.artifact);
      const [now = null] = history;
      requireExpected(now, deploy.expect, deploy.artifact);
      await admit(tx, deps, deploy, { artifact, history, current: now?.shares ?? [] });
      return now;
    },
    move: (move, wrote) => movePin(deps, move, wrote),
    async rollBack(wanted) {
      await requireArtifact(db, wanted.artifact);
      await requirePin(db, wanted.environment, wanted.artifact);
      let gone: readonly string[] = [];
      return await movePin(
        deps,
        {
          ...{ ...wanted, change: newChangeId(world), did: "rollback" },
          async decide(tx, now) {
            const decided = await goBack(tx, now);
            gone = decided.gone;
            return decided;
          },
        },
        (tx, { artifact, by, because, at, change }) =>
          insertBars(tx, world, artifact, gone, {
            ...{ incident: null, because: because === "" ? "rolled back by hand" : because },
            ...{ by, at, change },
          }),
      );
    },
  };
}

/** K1. Everything that is wrong is found before the pin moves; the first of it is told. */
async function admit(
  tx: Tx,
  deps: DeskDeps,
  { environment, wanted, by, inFlight, override }: Deploy,
  { artifact, current }: Standing,
): Promise<Decided> {
  const shares = sharesFor(current, wanted);
  const versions = shares.map(({ version }) => version);
  const releases = await findReleases(tx, artifact.name, versions);
  for (const version of versions) {
    if (!releases.some((each) => each.version === version)) throw noRelease(artifact.name, version);
  }
  // What is pinned already has passed; but what was rolled back meanwhile, elsewhere, gains nothing here.
  const gained = gainedBy(current, shares);
  const pinned = new Set(current.map(({ version }) => version));
  const fresh = releases.filter(({ version }) => !pinned.has(version));
  for (const release of fresh) requireKept(release);
  await requirePolicy(tx, deps, artifact, inFlight);
  const gaining = releases.filter(({ version }) => gained.includes(version));
  await requireNoBar(tx, deps, gaining, { by, override });
  if (override === null) for (const release of gaining) await requireNotTheSame(tx, release);
  if (artifact.review) {
    const before = await liveBefore(tx, environment, artifact.name, versions);
    for (const release of fresh) if (!before.has(release.version)) requireReviewed(release);
  }
  return { shares };
}

async function requirePolicy(
  tx: Tx,
  { agentsUsing, effectsOf }: DeskDeps,
  artifact: Standing["artifact"],
  chosen: InFlightPolicy | null,
): Promise<void> {
  if (artifact.inFlight === null && chosen !== null) {
    await saveSettings(tx, { ...artifact, inFlight: chosen });
    return;
  }
  if (artifact.inFlight === null) {
    const agents = await agentsUsing(tx, artifact.name);
    throw policyMissing(artifact, proposePolicy(await effectsOf(tx, agents), agents));
  }
  if (chosen !== null && chosen !== artifact.inFlight) {
    throw new Fault(
      "state_forbids",
      `${artifact.name} has the in-flight policy ${artifact.inFlight} already: change it with \`lastgood artifacts declare ${artifact.name} --in-flight ${chosen}\`, or leave it out.`,
    );
  }
}

async function requireNoBar(
  tx: Tx,
  { world }: DeskDeps,
  releases: readonly Release[],
  { by, override }: Pick<Deploy, "by" | "override">,
): Promise<void> {
  for (const release of releases) {
    if (release.barred === null) continue;
    if (override === null) requireNotBarred(release);
    else await liftBars(tx, release.artifact, [release.version], lift(world.now(), by, override));
  }
}

/** What was rolled back does not come again under another version. */
async function requireNotTheSame(tx: Tx, { artifact, version, digest }: Release): Promise<void> {
  const like = await barredLike(tx, artifact, digest);
  if (like === null) return;
  throw new Fault(
    "was_rolled_back",
    `${artifact}:${version} has the content of ${artifact}:${like}, which was rolled back: publish what is mended, or lift it with \`lastgood releases lift ${artifact}:${like} --because …\`.`,
    { context: { artifact, version, like } },
  );
}

function lift(at: Date, by: string, because: string) {
  return { at, by, because };
}

async function goBack(
  tx: Tx,
  { artifact, history }: Standing,
): Promise<Decided & { readonly gone: readonly string[] }> {
  const back = rollbackOf(history, await barredVersions(tx, artifact.name));
  if (back === null) {
    const [now] = history;
    throw new Fault(
      "state_forbids",
      `${artifact.name} has nothing to go back to from ${sayShares(now?.shares ?? [])}: no earlier pin was good. Deploy the version that you want.`,
    );
  }
  const { to, gone } = back;
  return { shares: to.shares, gone, reverts: broughtSince(history, to) };
}

/** The changes since the pin that is gone back to: all that they brought is taken back. */
export function broughtSince(history: readonly Pin[], to: Pick<Pin, "epoch">): Pin["change"][] {
  return history.filter(({ epoch }) => epoch > to.epoch).map(({ change }) => change);
}
