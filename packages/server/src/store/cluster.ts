/**
 * The data directory: made whole or not at all, and only ever opened by the version that made it.
 */

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chown, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import type { Account } from "./account.ts";
import { complain, tailOf } from "./complaint.ts";
import type { Engine } from "./engine.ts";

/** The superuser's password, made on first use and kept 0600. */
export async function passwordOf(home: string): Promise<string> {
  const file = join(home, "password");
  const present = await readText(file);
  if (present !== null && present !== "") return present;
  const password = randomBytes(24).toString("hex");
  await writeDurably(file, password);
  return password;
}

/** Leaves a data directory of this engine's version in `home/data`. True when it had to be made. */
export async function prepareCluster(
  home: string,
  engine: Engine,
  account: Account | null,
  password: string,
): Promise<boolean> {
  const data = join(home, "data");
  const version = await readText(join(data, "PG_VERSION"));
  if (version === null) {
    await initialise(home, data, engine, account, password);
    return true;
  }
  if (Number(version) !== engine.major) {
    throw new Fault(
      "bad_configuration",
      `${data} was made by PostgreSQL ${version}, and this version of Lastgood brings ${engine.major}: run \`lastgood backup\` with the version that made it, move the folder away, then \`lastgood restore\` with this one.`,
      { context: { path: data } },
    );
  }
  return false;
}

/** Made aside and renamed, so that a kill at any line leaves no half of one. */
async function initialise(
  home: string,
  data: string,
  engine: Engine,
  account: Account | null,
  password: string,
): Promise<void> {
  const aside = join(home, "data.partial");
  const secret = join(home, "initdb-password");
  await rm(aside, { recursive: true, force: true });
  await rm(secret, { force: true });
  await mkdir(aside, { mode: 0o700 });
  await writeDurably(secret, password);
  if (account !== null) {
    await chown(aside, account.uid, account.gid);
    await chown(secret, account.uid, account.gid);
  }
  const log = join(home, "postgres.log");
  try {
    const code = await run(
      join(engine.folder, "bin/initdb"),
      [
        ...["-D", aside, "-U", "lastgood", "--pwfile", secret, "-A", "scram-sha-256"],
        ...["-E", "UTF8", "--locale=C", "--no-instructions"],
      ],
      account,
      log,
      aside,
    );
    if (code !== 0) throw complain("initdb", code, await tailOf(log), aside);
    await rename(aside, data);
  } finally {
    await rm(secret, { force: true });
  }
}

const initialiseMsMax = 120_000;

async function run(
  program: string,
  args: readonly string[],
  account: Account | null,
  log: string,
  cwd: string,
): Promise<number | string> {
  const output = await open(log, "a", 0o600);
  try {
    const child = spawn(program, args, {
      stdio: ["ignore", output.fd, output.fd],
      cwd,
      env: serverEnvironment(),
      timeout: initialiseMsMax,
      ...ids(account),
    });
    return await new Promise<number | string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
    });
  } finally {
    await output.close();
  }
}

/** PostgreSQL must not be bent by PG* variables that are meant for clients. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" };
}

export function ids(account: Account | null): { uid?: number; gid?: number } {
  return account === null ? {} : { uid: account.uid, gid: account.gid };
}

async function readText(file: string): Promise<string | null> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Whole under its name or absent, and on disk before we go on. */
async function writeDurably(file: string, text: string): Promise<void> {
  const aside = `${file}.partial`;
  await rm(aside, { force: true });
  const handle = await open(aside, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(aside, file);
}
