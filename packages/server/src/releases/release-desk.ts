/** How artifacts are declared and releases published. */
import type { ArtifactKind, ArtifactSettings } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { recordChanges } from "../ledger/ledger-store.ts";
import type { Db, Tx } from "../store/database.ts";
import { newChangeId, type World } from "../world.ts";
import { findArtifact, insertArtifact, lockArtifact, saveSettings } from "./artifact-store.ts";
import {
  type Artifact,
  type Body,
  digestOf,
  nameOf,
  type Release,
  requireSame,
  requireServable,
} from "./release.ts";
import { insertRelease, insertScores, requireRelease, restoreContent } from "./release-store.ts";
import { retire, wasPinned } from "./retention-store.ts";

export interface Publication {
  readonly artifact: string;
  readonly version: string;
  readonly body: Body;
  /** Where the artifact does not exist yet. */
  readonly kind: ArtifactKind | undefined;
  readonly parent: string | null;
  readonly notes: string;
  readonly scores: Readonly<Record<string, number>>;
  readonly author: string;
  readonly session: string | null;
}

export interface ReleaseDesk {
  declare(by: string, name: string, settings: ArtifactSettings): Promise<Artifact>;
  /** The same again changes nothing; other content under the version is `release_exists`. */
  publish(
    publication: Publication,
  ): Promise<{ readonly release: Release; readonly already: boolean }>;
  /** `state_forbids` for what is pinned, was live, or may be rolled back to. */
  retire(by: string, artifact: string, version: string, because: string): Promise<Release>;
}

export function createReleaseDesk({ db, world }: { db: Db; world: World }): ReleaseDesk {
  return {
    async declare(by, name, settings) {
      return await db.begin(async (tx) => {
        await make(tx, world, name, settings.kind, by);
        const artifact = await lockArtifact(tx, name);
        requireKind(artifact, settings.kind);
        const changed = withSettings(artifact, settings);
        await saveSettings(tx, changed);
        return changed;
      });
    },
    async publish(publication) {
      return await db.begin(async (tx) => await publishIn(tx, world, publication));
    },
    async retire(by, artifact, version, because) {
      return await db.begin(async (tx) => {
        await lockArtifact(tx, artifact);
        const release = await requireRelease(tx, artifact, version);
        if (await wasPinned(tx, artifact, version)) {
          throw new Fault(
            "state_forbids",
            `${nameOf(release)} is pinned, was live, or is where a rollback goes: it stays deployable for ever, and is never retired.`,
            { context: { artifact, version } },
          );
        }
        await retire(tx, artifact, [version], { at: world.now(), by, because });
        return await requireRelease(tx, artifact, version);
      });
    },
  };
}

async function publishIn(
  tx: Tx,
  world: World,
  { artifact: name, kind, body, scores, author, session, ...given }: Publication,
): Promise<{ readonly release: Release; readonly already: boolean }> {
  const { version, parent } = given;
  await make(tx, world, name, kind, author);
  const artifact = await lockArtifact(tx, name);
  requireKind(artifact, kind);
  if (parent !== null) await requireRelease(tx, name, parent);
  const digest = digestOf(body);
  const [at, change] = [world.now(), newChangeId(world)];
  const bytes = body.kind === "content" ? Buffer.byteLength(body.text) : 0;
  const isNew = await insertRelease(tx, {
    ...{ ...given, artifact: name, digest, body, bytes, author, publishedAt: at, change },
  });
  if (!isNew) {
    const before = await requireRelease(tx, name, version);
    requireSame(before, digest);
    if (before.retiredAt !== null) await restoreContent(tx, before, body, at);
  } else {
    requireServable(artifact.kind, body);
    await recordChanges(tx, [
      {
        ...{ id: change, at, layer: "versions", kind: "publish", target: name, agent: author },
        ...{ session, from: parent, to: version, reason: given.notes.slice(0, 300) },
        details: { digest },
      },
    ]);
    const named = Object.entries(scores).map(([name, value]) => ({ name, value }));
    await insertScores(
      tx,
      { artifact: name, version },
      named.map((each) => ({ ...each, by: author, at, note: "" })),
    );
  }
  return { release: await requireRelease(tx, name, version), already: !isNew };
}

/** `bad_input` where there is none of the name and its kind is not said. */
async function make(
  tx: Tx,
  world: World,
  name: string,
  kind: ArtifactKind | undefined,
  by: string,
): Promise<void> {
  if ((await findArtifact(tx, name)) !== null) return;
  if (kind === undefined) {
    throw new Fault(
      "bad_input",
      `There is no artifact ${name} yet: say what it is with its kind (spec, model, prompt, image or config), and it is made.`,
      { context: { path: "kind" } },
    );
  }
  await insertArtifact(tx, {
    ...{ name, kind, inFlight: null, review: false, keep: null },
    ...{ createdAt: world.now(), createdBy: by },
  });
}

function requireKind(artifact: Artifact, kind: ArtifactKind | undefined): void {
  if (kind === undefined || kind === artifact.kind) return;
  throw new Fault(
    "state_forbids",
    `${artifact.name} is a ${artifact.kind} and stays one: use another name for a ${kind}.`,
  );
}

function withSettings(artifact: Artifact, settings: ArtifactSettings): Artifact {
  const { inFlight = artifact.inFlight, review, keep = artifact.keep } = settings;
  return {
    ...artifact,
    ...{ inFlight, keep },
    review: review === undefined ? artifact.review : review === "required",
  };
}
