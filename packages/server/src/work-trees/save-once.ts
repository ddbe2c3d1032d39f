/** For those who do not stay: one save that is sent, and what was saved before. */
import type { SaveKind } from "@lastgood/sdk";
import type { OpenOptions } from "./inspect.ts";
import { findKeeps } from "./keep.ts";
import type { Save } from "./save.ts";
import { saveWorkTree } from "./save-work-tree.ts";
import { listSaves } from "./saves.ts";
import { createUploader, type UploadClient } from "./upload.ts";

export interface SaveOnceOptions extends OpenOptions {
  readonly session: string;
  /** Default `change`. */
  readonly kind?: SaveKind;
  /** Without one it is saved on this machine alone. */
  readonly client?: UploadClient | null;
  readonly signal?: AbortSignal;
}

export interface SavedOnce {
  readonly save: Save;
  readonly isNew: boolean;
  readonly sent: boolean;
}

/**
 * Saves the work tree at `path`, and sends it where there is a client. A fault of sending leaves it saved
 * here.
 */
export async function saveOnce(path: string, options: SaveOnceOptions): Promise<SavedOnce> {
  const { session, kind = "change", client = null } = options;
  const signal = options.signal ?? AbortSignal.timeout(150_000);
  const { save, isNew, report, keep } = await saveWorkTree(path, { ...options, kind, signal });
  if (client === null) return { save, isNew, sent: false };
  await createUploader(keep, session, client).upload(save, await report(), signal);
  return { save, isNew, sent: true };
}

/** What this home holds of a session, by the work trees that it is of; newest first. */
export async function savesOfSession(
  home: string,
  session: string,
  signal: AbortSignal = AbortSignal.timeout(30_000),
): Promise<readonly { readonly tree: string; readonly saves: readonly Save[] }[]> {
  const keeps = await findKeeps(home, session);
  return await Promise.all(
    keeps.map(async ({ keep, tree }) => ({ tree, saves: await listSaves(keep, session, signal) })),
  );
}
