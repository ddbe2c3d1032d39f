/** Where the last snapshot of an environment's pins is kept for the next start. */
import type { SnapshotPin } from "./api/releases.ts";
import { Fault } from "./fault.ts";
import { type Held, heldAfter, nothingHeld } from "./held-pins.ts";

/** `@lastgood/sdk/file` has one for a file. */
export interface SnapshotStorage {
  /** Null where nothing was kept. */
  load(): Promise<string | null>;
  save(text: string): Promise<void>;
}

const form = 1;

interface Stored {
  readonly form: number;
  readonly environment: string;
  readonly epoch: number;
  readonly line?: string | undefined;
  readonly pins: readonly SnapshotPin[];
}

export async function saveHeld(
  storage: SnapshotStorage,
  { environment, epoch, line, pins }: Held,
): Promise<void> {
  const kept = [...pins.values()].map(({ pin }) => pin);
  const stored: Stored = { form, environment, epoch, line, pins: kept };
  try {
    await storage.save(JSON.stringify(stored));
  } catch (cause) {
    throw new Fault(
      "store_unreachable",
      `The snapshot of ${environment} could not be kept: without Lastgood the next start has an older one, or none.`,
      { cause },
    );
  }
}

/** Null where nothing was kept of this environment. Faults where what was kept cannot be read. */
export async function loadHeld(
  storage: SnapshotStorage,
  environment: string,
): Promise<Held | null> {
  try {
    const text = await storage.load();
    if (text === null) return null;
    const stored = JSON.parse(text) as Stored;
    if (stored.form !== form || stored.environment !== environment) return null;
    const { epoch, line, pins } = stored;
    return heldAfter(nothingHeld(environment), { environment, epoch, line, full: true, pins });
  } catch (cause) {
    throw new Fault(
      "store_unreachable",
      `What was kept of ${environment} cannot be read, and is left aside: ${String(cause).slice(0, 200)}`,
      { cause },
    );
  }
}
