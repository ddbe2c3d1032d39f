/** What the whole test run shares: one PostgreSQL, in which each test makes a database of its own, and what is compiled. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { EmbeddedServer } from "../../src/store/embedded.ts";
import { startTestPostgres } from "./database.ts";
import { endLeftovers, makeHome } from "./leftovers.ts";

let home: string | null = null;
let server: EmbeddedServer | null = null;

export async function globalSetup(): Promise<void> {
  await endLeftovers();
  home = await makeHome();
  server = await startTestPostgres(home);
  process.env.LASTGOOD_TEST_DATABASE_URL = server.url;
  // Every test file, and every program that one starts, is a process that would compile the same sources again.
  process.env.NODE_COMPILE_CACHE ??= join(
    import.meta.dirname,
    "../../node_modules/.cache/compiled",
  );
}

export async function globalTeardown(): Promise<void> {
  await server?.stop();
  if (home !== null) await rm(home, { recursive: true, force: true });
}
