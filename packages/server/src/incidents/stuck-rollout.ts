import type { IncidentId } from "../ids.ts";
import type { Query } from "../store/database.ts";
import { findForPerson, forPerson, openForPerson } from "./for-a-person.ts";
import { close } from "./incident.ts";
import { incidentsIn } from "./incident-store.ts";
import { type MoveDeps, move } from "./moves.ts";

export interface Stuck {
  readonly rollout: string;
  readonly environment: string;
  readonly artifact: string;
  readonly because: string;
}

/** A dial cannot go on by itself: one incident and one page per rollout, however often it is told. */
export async function openStuck(
  deps: MoveDeps,
  { rollout, environment, artifact, because }: Stuck,
): Promise<IncidentId> {
  return await deps.db.begin((tx) =>
    openForPerson(tx, deps, {
      kind: "rollout",
      signature: signatureOf(rollout),
      about: artifact,
      title: `the rollout of ${artifact} in ${environment} waits for a person`,
      text: `${rollout} is frozen: ${because}`,
    }),
  );
}

/** The rollouts that a person was called for, and since when. */
export async function openlyStuck(
  db: Query,
): Promise<readonly { readonly rollout: string; readonly since: Date }[]> {
  const open = await incidentsIn(db, forPerson);
  return open
    .filter(({ incident }) => incident.kind === "rollout")
    .map(({ incident: { signature, openedAt } }) => ({
      rollout: signature.slice(signatureOf("").length),
      since: openedAt,
    }));
}

/** A person decided: the incident is closed, and its page resolved. */
export async function closeStuck(
  deps: MoveDeps,
  rollout: string,
  by: string,
  because: string,
): Promise<void> {
  await deps.db.begin(async (tx) => {
    const stored = await findForPerson(tx, signatureOf(rollout));
    if (stored === null || stored.incident.state === "closed") return;
    const text = `${by} decided about ${rollout}: ${because}`;
    const closed = close(stored.incident, "mended", because, deps.world.now());
    await move(tx, deps, stored, closed, { actor: by, event: "incident.closed", text });
    await deps.notifier.resolve(tx, stored.incident.id, text);
  });
}

function signatureOf(rollout: string): string {
  return `rollout ${rollout}`;
}
