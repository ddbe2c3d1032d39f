import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** What runs: the package's version, and the git revision where that is known. */
export interface OwnBuild {
  readonly version: string;
  readonly revision: string | null;
}

const packageFolder = join(import.meta.dirname, "..");

export function ownVersion(): string {
  const manifest = readFileSync(join(packageFolder, "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

export async function readOwnBuild(): Promise<OwnBuild> {
  return { version: ownVersion(), revision: await readRevision(join(packageFolder, "../..")) };
}

/**
 * The git revision that runs: LASTGOOD_REVISION, else the checkout's HEAD, read without running git; null
 * for an installed package.
 */
export async function readRevision(checkout: string): Promise<string | null> {
  if (process.env.LASTGOOD_REVISION !== undefined) return process.env.LASTGOOD_REVISION;
  const git = join(checkout, ".git");
  const read = (name: string) => readFile(join(git, name), "utf8").catch(() => "");
  const head = (await read("HEAD")).trim();
  if (!head.startsWith("ref: ")) return hashIn(head);
  const ref = head.slice(5);
  const packed = (await read("packed-refs")).split("\n").find((line) => line.endsWith(` ${ref}`));
  return hashIn(await read(ref)) ?? hashIn(packed ?? "");
}

function hashIn(text: string): string | null {
  return /^[0-9a-f]{40,64}/.exec(text)?.[0] ?? null;
}
