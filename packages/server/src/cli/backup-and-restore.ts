/** What `lastgood backup` and `lastgood restore` run: on the store itself, with or without a server. */
import { recordBackup } from "../coverage/coverage-store.ts";
import { verifyAllChains } from "../layers/state/chains.ts";
import { readOwnBuild } from "../own-build.ts";
import { attachStore } from "../store/attach.ts";
import { backup } from "../store/backup.ts";
import type { Manifest } from "../store/backup-format.ts";
import { readMigrations } from "../store/migrate.ts";
import { type ChainVerifier, checkBackup, restore } from "../store/restore.ts";
import { openBareStore } from "../store/store.ts";
import type { StorePlace } from "./store-place.ts";

/** Every kind of chain that a database of ours may hold. */
const verifiers: readonly ChainVerifier[] = [verifyAllChains];

export async function backUp(place: StorePlace, folder: string): Promise<Manifest> {
  const { version } = await readOwnBuild();
  const store = await attachStore(place);
  try {
    const manifest = await backup({ db: store.db, folder, version, now: new Date() });
    // For `lastgood doctor`, which says when the last one is too old.
    await recordBackup(store.db, new Date(manifest.madeAt));
    return manifest;
  } finally {
    await store.close();
  }
}

/** The backup is read through before a database is opened, or made. */
export async function restoreFrom(place: StorePlace, folder: string): Promise<Manifest> {
  const migrations = await readMigrations();
  const manifest = await checkBackup(folder, migrations);
  const store = await openBareStore(place);
  try {
    await restore({ db: store.db, manifest, folder, migrations, verifiers });
    return manifest;
  } finally {
    await store.close();
  }
}
