import { Fault } from "../../fault.ts";
import type { Core } from "./core.ts";
import type { Settlement } from "./engine.ts";

/**
 * Tells the engine what our books already say. One that is away, or that has forgotten the delivery in
 * a crash, is told again when it is back; and should it deliver the message before that, the delivery
 * is recognised and settled without reaching a handler.
 */
export async function tellEngine(
  core: Core,
  reference: string,
  settlement: Settlement,
): Promise<void> {
  if (await confirms(core, reference, settlement)) return;
  // A message that failed comes again after the engine's own ack wait: there is nothing to repeat.
  if (typeof settlement !== "string") return;
  await core.db`
    insert into message_untold (reference, settlement) values (${reference}, ${settlement})
    on conflict (reference) do nothing`;
}

const triesMax = 3;
const perTurnMax = 50;

/** Repeats what the engine did not confirm; what it never confirms is forgotten on its side. */
export async function tellAgain(core: Core, signal: AbortSignal): Promise<void> {
  const untold = await core.db<{ reference: string; settlement: "handled" | "dead" }[]>`
    select reference, settlement from message_untold order by at limit ${perTurnMax}`;
  for (const { reference, settlement } of untold) {
    if (signal.aborted || !core.engine.describe().reachable) return;
    const told = await confirms(core, reference, settlement);
    await core.db`
      update message_untold set tries = tries + 1, at = now() where reference = ${reference}`;
    await core.db`
      delete from message_untold
      where reference = ${reference} and (${told} or tries > ${triesMax})`;
  }
}

async function confirms(core: Core, reference: string, settlement: Settlement): Promise<boolean> {
  try {
    await core.engine.settle(reference, settlement);
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code === "layer_unreachable") return false;
    throw error;
  }
}
