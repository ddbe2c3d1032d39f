/** A home's database for a command beside the server: the running one's if there is one, else our own. */
import { readFile, realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Fault } from "../fault.ts";
import { openDatabase } from "./database.ts";
import { findPostmaster } from "./postmaster.ts";
import { openBareStore, type Store, type StoreOptions } from "./store.ts";

/** Closing it leaves a server that was found running as it was. */
export async function attachStore(options: StoreOptions): Promise<Store> {
  const url = options.databaseUrl ?? (await urlOfRunning(join(resolve(options.home), "postgres")));
  if (url === null) return await openBareStore(options);
  const db = openDatabase(url, { max: 2, statementMsMax: 0 });
  return { db, embedded: null, close: () => db.end({ timeout: 5 }) };
}

async function urlOfRunning(home: string): Promise<string | null> {
  try {
    // As it stands in the command line of the one that runs.
    const data = await realpath(join(home, "data"));
    const found = await findPostmaster(data);
    if (found.kind !== "living") return null;
    const password = (await readFile(join(home, "password"), "utf8")).trim();
    return `postgres://lastgood:${password}@127.0.0.1:${found.recorded.port}/lastgood`;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    if (code !== "EACCES") throw cause;
    throw new Fault(
      "forbidden",
      `${home} belongs to another account: run this as the one that runs Lastgood.`,
      { cause, context: { path: home } },
    );
  }
}
