/**
 * Starts revisions away from production.
 *
 *     <folder>/<name>/   tree/  home/  tmp/  process.json
 *
 *   S1. A sandbox shares nothing with another: files, database, role, port and process groups are its own.
 *   S2. Its processes get a handful of variables and none of Lastgood's: no production credentials.
 *   S3. Whatever happens, everything of it is gone after `dispose`; what a killed server left is gone
 *       after the next `sweep`.
 *   S4. At most two at once. Who asks for a third waits, at most two minutes.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { type Closing, createClosing } from "../closing.ts";
import type { Configuration, SandboxConfig } from "../config/config.ts";
import { Fault } from "../fault.ts";
import { freePort } from "../free-port.ts";
import type { Mirror, Mirrors } from "../git/mirror.ts";
import { endGroup, identify, type ProcessIdentity } from "../process-group.ts";
import { runCommand } from "../run-command.ts";
import type { World } from "../world.ts";
import type { CheckRun, Sandbox, Sandboxes } from "./sandbox.ts";
import { createSandboxDatabases, type SandboxDatabases } from "./sandbox-databases.ts";
import { installationOf, nameFor, type Owner, ownerOf } from "./sandbox-name.ts";
import type { SandboxServer } from "./sandbox-server.ts";
import { type SandboxedService, startSandboxed } from "./sandboxed-service.ts";
import { createSlots } from "./slots.ts";

export interface SandboxesDeps {
  readonly world: World;
  readonly configuration: Configuration;
  readonly mirrors: Mirrors;
  /** The PostgreSQL that sandboxes get their databases from. */
  readonly server: SandboxServer;
  /** Such as `<home>/sandboxes`. */
  readonly folder: string;
  /** Lastgood's own environment, of which only PATH goes in. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface SandboxRoom extends Sandboxes {
  /** Ends processes and removes folders that a killed server left; returns their names. */
  sweep(): Promise<readonly string[]>;
  /** Disposes of what is still open. */
  close(): Promise<void>;
}

const atOnceMax = 2;
const calmMs = 60_000;
const waitMsMax = 120_000;
const sqlBytesMax = 67_108_864;
const outputBytesMax = 16_384;

export function createSandboxes(deps: SandboxesDeps): SandboxRoom {
  const { configuration, folder } = deps;
  const installation = installationOf(hostname(), resolve(folder));
  const slots = createSlots(atOnceMax);
  const open = new Set<Sandbox>();
  const owner: Owner = {
    installation,
    pid: process.pid,
    startedAt: plain(identify(process.pid)?.startedAt) ?? "0",
  };
  const ending = new AbortController();
  let warming: Promise<void> = Promise.resolve();
  /** What each service serves is prepared when it has served it for a while. */
  const calm = new Map<string, NodeJS.Timeout>();
  let opened = 0;
  let databases: Promise<SandboxDatabases> | null = null;

  /** What a killed server left in it is dropped before anything new is made. */
  async function openDatabases(): Promise<SandboxDatabases> {
    const made = createSandboxDatabases({ adminUrl: await deps.server.url(), installation });
    await made.sweep(isDead);
    return made;
  }

  /** What cannot be loaded is said by the rerun that needs it. */
  async function prepare(service: string, revision: string): Promise<void> {
    try {
      const { sandbox, repository } = declaration(service);
      const mirror = await deps.mirrors.of(repository);
      const content = await contentOf(mirror, revision, sandbox, configuration.base);
      await (await databasesOf()).prepare(content, ending.signal);
    } catch {
      return;
    }
  }

  function databasesOf(): Promise<SandboxDatabases> {
    databases ??= openDatabases().catch((error: unknown) => {
      databases = null;
      throw error;
    });
    return databases;
  }

  function isDeclared(service: string): boolean {
    const declared = configuration.current().services[service];
    return declared?.sandbox !== undefined && declared.repository !== undefined;
  }

  function declaration(service: string) {
    const declared = configuration.current().services[service];
    if (declared?.sandbox !== undefined && declared.repository !== undefined) {
      const { sandbox, repository, schema } = declared;
      return { sandbox, repository, declarative: schema === "declarative" };
    }
    throw new Fault(
      "bad_configuration",
      `${service.slice(0, 100)} declares no sandbox, or no repository: add both to it in lastgood.yaml.`,
    );
  }

  return {
    declared: isDeclared,

    async open(service, revision, signal, after = revision) {
      const { declarative, ...declared } = declaration(service);
      const closing = createClosing();
      closing.add(await slots.take(waitMsMax, signal));
      opened += 1;
      const contentFrom = declarative ? after : revision;
      const place = { name: nameFor(owner, opened), service, revision, contentFrom };
      try {
        const sandbox = await openIn(deps, databasesOf, { ...declared, ...place }, closing, signal);
        open.add(sandbox);
        closing.add(() => void open.delete(sandbox));
        return sandbox;
      } catch (error) {
        await closing.close();
        throw error;
      }
    },

    warm(service, revision) {
      if (!isDeclared(service) || ending.signal.aborted) return;
      const prepareNext = () => {
        warming = warming.then(() => prepare(service, revision));
      };
      if (!calm.has(service)) prepareNext();
      clearTimeout(calm.get(service));
      // A deploy that breaks something needs the machine for reruns, on what served before it.
      calm.set(service, setTimeout(prepareNext, calmMs));
    },

    sweep: () => sweepFolders(folder, installation, isDead),

    async close() {
      ending.abort();
      for (const timer of calm.values()) clearTimeout(timer);
      await warming;
      // One that cannot be disposed of keeps nothing else.
      const closing = createClosing();
      closing.add(() => deps.server.stop());
      closing.add(async () => await (await databases)?.close());
      for (const sandbox of open) closing.add(async () => await sandbox[Symbol.asyncDispose]());
      await closing.close();
    },
  };
}

function isDead({ pid, startedAt }: Owner): boolean {
  return plain(identify(pid)?.startedAt) !== startedAt;
}

/** A start time as names carry it. */
function plain(startedAt: string | undefined): string | undefined {
  return startedAt?.replace(/\W/g, "");
}

interface Order {
  readonly name: string;
  readonly service: string;
  readonly revision: string;
  /** The revision whose schema and fixture make the database. */
  readonly contentFrom: string;
  readonly repository: string;
  readonly sandbox: SandboxConfig;
}

/** What is made is handed to `closing` at once. */
async function openIn(
  { world, configuration, mirrors, folder, environment }: SandboxesDeps,
  databasesOf: () => Promise<SandboxDatabases>,
  { name, service, revision, contentFrom, repository, sandbox: config }: Order,
  closing: Closing,
  signal: AbortSignal,
): Promise<Sandbox> {
  const mirror = await mirrors.of(repository);
  const own = join(folder, name);
  closing.add(() => rm(own, { recursive: true, force: true }));
  for (const each of ["tree", "home", "tmp"]) {
    await mkdir(join(own, each), { recursive: true, mode: 0o700 });
  }
  const tree = join(own, "tree");
  const content = await contentOf(mirror, contentFrom, config, configuration.base);
  const [database, written] = await Promise.allSettled([
    databasesOf().then((databases) => databases.create(name, content, signal)),
    mirror.checkout(revision, tree, signal),
  ]);
  if (database.status === "fulfilled") closing.add(() => database.value.drop());
  if (database.status === "rejected") throw database.reason;
  if (written.status === "rejected") throw written.reason;
  const port = await freePort();
  const url = database.value.url;
  const env = environmentOf(environment, own, { revision, port, url });
  const running = await start(config, { own, tree, env, port }, closing, signal);
  return {
    service,
    revision,
    check: (each) => check({ service, revision, config, tree, env }, running, world, each),
    [Symbol.asyncDispose]: () => closing.close(),
  };
}

/** The declared SQL as it is at the revision; a file that it does not have is read beside lastgood.yaml. */
async function contentOf(
  mirror: Mirror,
  revision: string,
  { schema, fixture }: SandboxConfig,
  base: string,
) {
  async function textOf(path: string | undefined): Promise<string> {
    if (path === undefined) return "";
    const inRevision = await mirror.readFile(revision, path, sqlBytesMax);
    if (inRevision !== null) return inRevision.toString("utf8");
    return await readFile(resolve(base, path), "utf8").catch((cause: unknown) => {
      throw new Fault(
        "bad_configuration",
        `The sandbox's file ${path} is neither in ${revision.slice(0, 12)} nor beside lastgood.yaml: correct its path.`,
        { cause },
      );
    });
  }
  return { schema: await textOf(schema), fixture: await textOf(fixture) };
}

/** S2. */
function environmentOf(
  { PATH = "/usr/bin:/bin" }: SandboxesDeps["environment"],
  own: string,
  { revision, port, url }: { revision: string; port: number; url: string },
): Readonly<Record<string, string>> {
  return {
    PATH,
    LANG: "C.UTF-8",
    TZ: "UTC",
    HOME: join(own, "home"),
    TMPDIR: join(own, "tmp"),
    PORT: String(port),
    REVISION: revision,
    DATABASE_URL: url,
  };
}

interface Running {
  readonly process: SandboxedService | null;
  /** Why it did not start; null when it did, and when nothing had to. */
  readonly notStarted: string | null;
}

async function start(
  { start: argv, health, timeout }: SandboxConfig,
  place: {
    readonly own: string;
    readonly tree: string;
    readonly env: Readonly<Record<string, string>>;
    readonly port: number;
  },
  closing: Closing,
  signal: AbortSignal,
): Promise<Running> {
  if (argv === undefined) return { process: null, notStarted: null };
  const started = startSandboxed(argv, { cwd: place.tree, env: place.env, port: place.port });
  closing.add(() => started.end());
  await writeFile(join(place.own, processFile), JSON.stringify(started.leader));
  return { process: started, notStarted: await started.untilHealthy(health, timeout, signal) };
}

const processFile = "process.json";

interface Checked {
  readonly service: string;
  readonly revision: string;
  readonly config: SandboxConfig;
  readonly tree: string;
  readonly env: Readonly<Record<string, string>>;
}

async function check(
  { service, revision, config, tree, env }: Checked,
  { process: running, notStarted }: Running,
  world: World,
  signal: AbortSignal,
): Promise<CheckRun> {
  const startedAt = world.now();
  const about = { service, revision, startedAt };
  const dead = notStarted ?? running?.ended() ?? null;
  if (dead !== null) {
    const output = `the revision does not serve: ${dead}\n${running?.output() ?? ""}`;
    return { ...about, outcome: "cannot-tell", exitCode: null, tookMs: 0, output };
  }
  const url = { SERVICE_URL: `http://127.0.0.1:${env.PORT}` };
  try {
    const done = await runCommand(config.check, {
      cwd: tree,
      env: { ...env, ...url },
      timeoutMs: config.timeout,
      outputBytesMax,
      signal,
    });
    const late = done.timedOut ? `\nkilled after ${config.timeout} ms` : "";
    const exitCode = done.timedOut ? null : done.exitCode;
    const { tookMs } = done;
    return { ...about, outcome: outcomeOf(exitCode), exitCode, tookMs, output: done.output + late };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const output = error.message;
    return { ...about, outcome: "cannot-tell", exitCode: null, tookMs: 0, output };
  }
}

/** 0 and 1 are answers. Anything else (125, a signal, a missing program) says nothing of the revision. */
export function outcomeOf(exitCode: number | null): CheckRun["outcome"] {
  return exitCode === 0 ? "good" : exitCode === 1 ? "bad" : "cannot-tell";
}

/** Ends the processes of dead owners and removes their folders. */
async function sweepFolders(
  folder: string,
  installation: string,
  isDead: (owner: Owner) => boolean,
): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const dead = (await readdir(folder)).filter((name) => {
    const owner = ownerOf(name);
    return owner?.installation === installation && isDead(owner);
  });
  for (const name of dead) {
    const text = await readFile(join(folder, name, processFile), "utf8").catch(() => "null");
    const leader = JSON.parse(text) as ProcessIdentity | null;
    if (leader !== null) await endGroup(leader, 0);
    await rm(join(folder, name), { recursive: true, force: true });
  }
  return dead;
}
