/**
 * Serves revisions of a repository as supervised local processes: a checkout of its own for every set,
 * and a keeper that runs it.
 *
 *     <home>/services/<name>/  keeper.json secret instances.json keeper.log  (see keeper.ts)
 *                              logs/        what the instances wrote
 *                              revisions/   <revision>-<n>: one checkout per set
 */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import type { ProcessRuntimeConfig } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import type { Mirror } from "../../git/mirror.ts";
import { onUnaskedUpgrade } from "../../unasked-upgrade.ts";
import { driftFrom, type Manifest, manifestOf } from "./drift.ts";
import { findKeeper, findOrStartKeeper } from "./keeper-client.ts";
import { readLog } from "./keeper-log.ts";
import type { KeeperStatus } from "./keeper-protocol.ts";
import type { Reading, RuntimeAdapter } from "./service.ts";

export interface ProcessAdapterDeps {
  readonly service: string;
  readonly config: ProcessRuntimeConfig;
  /** `<home>/services/<name>` */
  readonly folder: string;
  /** The mirror of the service's repository. */
  readonly mirror: () => Promise<Mirror>;
  /** Lastgood's own environment: only what the configuration names is passed on. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface ProcessAdapter extends RuntimeAdapter {
  readonly kind: "process";
  /** The keeper's own word; null when none lives. */
  status(signal: AbortSignal): Promise<KeeperStatus | null>;
  /** Resolves at an exit after `sequence`, after 20 s, or at once when no keeper lives. */
  exitAfter(sequence: number, signal: AbortSignal): Promise<KeeperStatus | null>;
}

const healthMsMax = 3_000;
const passedOn = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"] as const;

export function createProcessAdapter(deps: ProcessAdapterDeps): ProcessAdapter {
  const { service, config, folder, environment } = deps;
  const revisions = join(folder, "revisions");
  const manifests = new Map<string, Manifest>();
  const env = environmentFor(config, environment);
  const settings = digestOf({ start: config.start, env, health: config.health, port: config.port });

  async function status(signal: AbortSignal): Promise<KeeperStatus | null> {
    const keeper = await findKeeper(folder);
    return keeper === null ? null : await keeper.status(signal);
  }

  async function checkout(revision: string, signal: AbortSignal): Promise<string> {
    await mkdir(revisions, { recursive: true, mode: 0o700 });
    const directory = await mkdtemp(join(revisions, `${revision.slice(0, 12)}-`));
    const mirror = await deps.mirror();
    await mirror.checkout(revision, directory, signal);
    return directory;
  }

  async function prune(keep: KeeperStatus): Promise<void> {
    const inUse = [keep.serving, ...keep.retiring].map((each) => each?.directory);
    const names = await readdir(revisions);
    const unused = names
      .map((name) => join(revisions, name))
      .filter((path) => !inUse.includes(path));
    await Promise.all(unused.map((path) => rm(path, { recursive: true, force: true })));
  }

  return {
    service,
    kind: "process",
    settings,
    losses: [`requests to ${service} that take longer than ${config.drain} ms are cut`],
    gaps: [],
    status,
    async exitAfter(sequence, signal) {
      const keeper = await findKeeper(folder);
      return keeper === null ? null : await keeper.exitAfter(sequence, signal);
    },
    async read(signal) {
      return toReading(await status(signal));
    },
    async set(revision, signal) {
      const keeper = await findOrStartKeeper(folder);
      const before = await keeper.status(signal);
      const { serving } = before;
      if (serving?.revision === revision && serving.settings === settings && serving.pid !== null) {
        return servedAs(serving);
      }
      const directory = await checkout(revision, signal);
      const result = await keeper.serve(
        {
          revision,
          directory,
          start: config.start,
          env,
          host: "127.0.0.1",
          port: config.port,
          health: config.health,
          readyMs: config.ready,
          drainMs: config.drain,
          settings,
        },
        signal,
      );
      await prune(await keeper.status(signal));
      return result.outcome === "served"
        ? servedAs(result)
        : { outcome: "failed", because: result.because, output: result.output };
    },
    async health() {
      return await answerOf(config.port, config.health);
    },
    async drift(revision, signal) {
      const found = await status(signal);
      if (found?.serving?.revision !== revision) return null;
      const manifest =
        manifests.get(revision) ?? (await manifestOf(await deps.mirror(), revision, signal));
      manifests.clear();
      manifests.set(revision, manifest);
      return await driftFrom(manifest, found.serving.directory, signal);
    },
    logs: (bytes) => readLog(join(folder, "logs"), bytes),
    async stop(signal) {
      const keeper = await findKeeper(folder);
      await keeper?.stop(signal);
    },
  };
}

function servedAs({ startedAt, since }: { startedAt: string; since: string }) {
  return {
    outcome: "served" as const,
    startedAt: new Date(startedAt),
    since: new Date(since),
  };
}

function toReading(status: KeeperStatus | null): Reading {
  const serving = status?.serving ?? null;
  const lastExit = status?.exits.at(-1);
  return {
    revision: serving?.revision ?? null,
    settings: serving?.settings ?? null,
    since: serving === null ? null : new Date(serving.since),
    state: serving === null ? "not-serving" : serving.pid === null ? "restarting" : "serving",
    pid: serving?.pid ?? null,
    restarts: serving?.restarts ?? 0,
    exitedAt: lastExit === undefined ? null : new Date(lastExit.at),
    retiring: status?.retiring ?? [],
    trouble: status?.trouble ?? null,
  };
}

/** A clean environment: what any program needs, what is configured, and what is passed on by name. */
function environmentFor(
  { env, envFrom }: ProcessRuntimeConfig,
  own: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const named = [...passedOn, ...envFrom].flatMap((name) => {
    const value = own[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(named), ...env };
}

function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** Null for a 200 through the service's own port, otherwise what came instead. */
async function answerOf(port: number, path: string): Promise<string | null> {
  return await new Promise((resolve) => {
    const signal = AbortSignal.timeout(healthMsMax);
    const request = get({ host: "127.0.0.1", port, path, agent: false, signal }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200 ? null : `${path} answered ${answer.statusCode}`);
    });
    const fail = (error: Error) =>
      resolve(
        `${path} did not answer: ${signal.aborted ? `nothing within ${healthMsMax} ms` : error.message}`,
      );
    request.once("error", fail);
    onUnaskedUpgrade(request, fail);
  });
}

/** The folder of a service under Lastgood's home. Names are checked by the configuration's schema. */
export function serviceFolder(home: string, service: string): string {
  if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(service)) {
    throw new Fault("bad_input", `"${service.slice(0, 80)}" is not the name of a service.`);
  }
  return join(home, "services", service);
}
