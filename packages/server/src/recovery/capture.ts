/**
 * Takes what will be gone once a recovery begins: logs, samples, versions in force. Bounded.
 */
import { Buffer } from "node:buffer";
import { orAborted } from "../abort.ts";
import type { RecoveryId } from "../ids.ts";
import type { Undo } from "../layers/layer.ts";
import type { Db } from "../store/database.ts";
import type { World } from "../world.ts";
import type { Recovery } from "./recovery.ts";

/** Something that can tell how the bad window looked. */
export interface CaptureSource {
  /** Such as `logs`, `samples`, `versions`. */
  readonly kind: string;
  collect(undo: Undo, signal: AbortSignal): Promise<readonly Captured[]>;
}

export interface Captured {
  readonly name: string;
  readonly content: string;
}

const captureBytesMax = 50_000_000;
const captureMsMax = 5_000;

/** Collects from all sources at once. A source that fails is recorded as such: relief does not wait for it. */
export function createCapture(
  { db, world }: { readonly db: Db; readonly world: World },
  sources: readonly CaptureSource[],
): (recovery: Recovery) => Promise<void> {
  return async ({ id, undo }) => {
    const signal = AbortSignal.timeout(captureMsMax);
    const share = Math.floor(captureBytesMax / Math.max(1, sources.length));
    const takenAt = world.now();
    const collected = await Promise.all(
      sources.map(async (source) => ({
        kind: source.kind,
        items: await collectFrom(source, undo, signal),
      })),
    );
    const rows = collected.flatMap(({ kind, items }) => rowsOf(id, kind, items, share, takenAt));
    if (rows.length > 0) await db`insert into captures ${db(rows)} on conflict do nothing`;
  };
}

async function collectFrom(
  source: CaptureSource,
  undo: Undo,
  signal: AbortSignal,
): Promise<readonly Captured[]> {
  try {
    return await orAborted(source.collect(undo, signal), signal);
  } catch (error) {
    return [{ name: "not-captured", content: String(error) }];
  }
}

/** Cuts from the front: the end of a log is where the damage is. */
function rowsOf(
  recovery: RecoveryId,
  kind: string,
  items: readonly Captured[],
  bytesMax: number,
  takenAt: Date,
) {
  const each = Math.floor(bytesMax / Math.max(1, items.length));
  return items.map(({ name, content }) => {
    const bytes = Buffer.from(content, "utf8");
    const cut = bytes.length > each;
    return {
      recovery,
      kind,
      name,
      taken_at: takenAt,
      content: cut ? bytes.subarray(bytes.length - each) : bytes,
      cut,
    };
  });
}
