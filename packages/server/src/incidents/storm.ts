import { findForPerson, openForPerson } from "./for-a-person.ts";
import { close } from "./incident.ts";
import { type MoveDeps, move } from "./moves.ts";

/** An agent died again and again and was parked: one incident, one page, however often it is reported. */
export async function openStorm(deps: MoveDeps, agent: string, because: string): Promise<void> {
  const text = `${agent} is parked: ${because}. Its sessions: lastgood sessions --agent ${agent}. When it may start again: lastgood agents release ${agent} "why"`;
  await deps.db.begin(async (tx) => {
    await openForPerson(tx, deps, {
      kind: "storm",
      signature: signatureOf(agent),
      about: agent,
      title: `${agent} dies again and again`,
      text,
    });
  });
}

/** A person let it start again: the incident is closed, and its page resolved. */
export async function closeStorm(
  deps: MoveDeps,
  agent: string,
  by: string,
  because: string,
): Promise<void> {
  await deps.db.begin(async (tx) => {
    const stored = await findForPerson(tx, signatureOf(agent));
    if (stored === null || stored.incident.state === "closed") return;
    const { incident } = stored;
    await move(tx, deps, stored, close(incident, "dismissed", because, deps.world.now()), {
      actor: by,
      event: "incident.closed",
      text: `${agent} may start again: ${because}`,
    });
    await deps.notifier.resolve(tx, incident.id, `${agent} was released by ${by}: ${because}`);
  });
}

function signatureOf(agent: string): string {
  return `storm ${agent}`;
}
