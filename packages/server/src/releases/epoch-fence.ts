/**
 * Whoever writes by what it resolved may say so (`Lastgood-Epoch: production/customer-service=7`): once the
 * pin moved, the write is refused, and the caller resolves again before it goes on.
 *
 *   F1. Only writes are held to it: reading under an old pin harms nobody.
 *   F2. Where the artifact's policy is `finish-old`, what was begun under the old pin ends under it.
 *   F3. Without an artifact (`production=7`) any change of the environment fences.
 *   F4. An epoch that was not made yet fences: it was resolved before the database was put back to an earlier time.
 */
import { Fault } from "../fault.ts";
import type { App } from "../http/app.ts";
import type { Db } from "../store/database.ts";
import { findArtifact } from "./artifact-store.ts";
import { sayShares } from "./pin.ts";
import { findPin, requireEpoch } from "./pin-store.ts";

export const epochHeader = "lastgood-epoch";

interface Claim {
  readonly environment: string;
  readonly artifact: string | null;
  readonly epoch: number;
}

export function fenceEpochs(app: App, { db }: { readonly db: Db }): void {
  app.addHook("preHandler", async (request) => {
    const given = request.headers[epochHeader];
    if (given === undefined || request.method === "GET" || request.method === "HEAD") return;
    if (request.actor === undefined) return;
    const claim = claimOf(String(given));
    if (claim.artifact === null) return await requireSameEpoch(db, claim);
    await requireSamePin(db, claim, claim.artifact);
  });
}

function claimOf(text: string): Claim {
  const [, environment = "", artifact = null, epoch = ""] =
    /^([\w.-]{1,100})(?:\/([\w./-]{1,100}))?=(\d{1,15})$/.exec(text) ?? [];
  if (epoch !== "") return { environment, artifact, epoch: Number(epoch) };
  throw new Fault(
    "bad_input",
    `The header Lastgood-Epoch is "${text.slice(0, 200)}": write it as production/customer-service=7, or production=7.`,
    { context: { path: epochHeader } },
  );
}

async function requireSameEpoch(db: Db, { environment, epoch }: Claim): Promise<void> {
  const now = await requireEpoch(db, environment);
  if (now !== epoch) throw fenced(environment, epoch, `it is at epoch ${now}`);
}

/** F4. */
async function requireReached(
  db: Db,
  { environment, epoch }: Pick<Claim, "environment" | "epoch">,
): Promise<void> {
  const now = await requireEpoch(db, environment);
  if (epoch > now) throw fenced(environment, epoch, `${environment} is at epoch ${now}`);
}

async function requireSamePin(db: Db, { environment, epoch }: Claim, name: string): Promise<void> {
  const pin = await findPin(db, environment, name);
  const place = `${environment}/${name}`;
  if (pin === null) throw fenced(place, epoch, "it is not pinned");
  if (pin.epoch === epoch) return;
  if (pin.epoch < epoch) return await requireReached(db, { environment, epoch });
  // F2.
  const artifact = await findArtifact(db, name);
  if (artifact?.inFlight === "finish-old") return;
  throw fenced(place, epoch, `since epoch ${pin.epoch} it is ${sayShares(pin.shares)}`);
}

function fenced(place: string, epoch: number, now: string): Fault {
  return new Fault(
    "fenced",
    `What ${place} resolved to at epoch ${epoch} is pinned no more (${now}): nothing was written; resolve again, and go on by that.`,
    { context: { place, epoch } },
  );
}
