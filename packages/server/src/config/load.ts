/**
 * The lastgood.yaml in force, and its reloading.
 *
 *   L1. What is in force is always a whole valid configuration: a faulty file leaves the former one.
 *   L2. A file that was good is copied aside; a restart over a faulty file starts from that copy and says so.
 *   L3. `fault` is about the file as it is now; it is null exactly when the file is what is in force.
 */
import { createHash } from "node:crypto";
import { mkdir, open, rename, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Logger } from "pino";
import { Fault } from "../fault.ts";
import { type Loop, startLoop } from "../loop.ts";
import type { World } from "../world.ts";
import {
  type Config,
  type Configuration,
  type ConfigurationStatus,
  configSchema,
} from "./config.ts";
import { configFileName } from "./config-file-name.ts";
import { configBytesMax, type ParsedConfig, parseConfig, sayComplaint } from "./parse-config.ts";

/** A configuration that never changes: the empty one, or one given by hand. */
export function fixedConfiguration(given: unknown = {}, base = process.cwd()): Configuration {
  const config = configSchema.parse(given);
  return { base, current: () => config };
}

export interface LoadedConfig {
  readonly config: Config;
  readonly warnings: readonly string[];
}

/** Reads one file. Faults: `not_found`, `bad_configuration` with every problem as `file:line:column`. */
export async function loadConfig(path: string): Promise<LoadedConfig> {
  return requireGood(path, parseConfig(await readBounded(path)));
}

export interface OpenOptions {
  readonly path: string;
  /** The folder in which the copy of the last good file is kept. */
  readonly keepIn: string;
  readonly world: World;
  readonly log: Logger;
}

/** A configuration that follows its file. `stop` ends the watching. */
export interface OpenedConfiguration extends Configuration {
  readonly file: NonNullable<Configuration["file"]>;
  stop(): Promise<void>;
}

const lookEveryMs = 1_000;

/**
 * What a server follows: the file that is named, else the lastgood.yaml of the working folder, else
 * nothing, and every setting has its default.
 */
export async function findConfiguration(
  named: string | undefined,
  options: Omit<OpenOptions, "path">,
): Promise<Configuration & { stop(): Promise<void> }> {
  const path = resolve(named ?? configFileName);
  if (named === undefined && (await fingerprint(path)) === "absent") {
    return { ...fixedConfiguration(), stop: async () => {} };
  }
  return await openConfiguration({ ...options, path });
}

/** Opens the file and watches it. A faulty file faults `bad_configuration` unless a good copy exists (L2). */
export async function openConfiguration(options: OpenOptions): Promise<OpenedConfiguration> {
  const { keepIn, world, log } = options;
  const path = resolve(options.path);
  const copy = join(keepIn, `${copyNameOf(path)}.yaml`);
  let seen = await fingerprint(path);
  let { loaded, status } = await start(path, copy, world.now());
  if (status.fault !== null) log.error({ fault: status.fault }, "lastgood.yaml is faulty");

  async function reload(): Promise<ConfigurationStatus> {
    seen = await fingerprint(path);
    let next: LoadedConfig;
    try {
      const text = await readBounded(path);
      next = requireGood(path, parseConfig(text));
      await keep(copy, text);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      status = { ...status, fault: error.message };
      throw error;
    }
    loaded = next;
    status = { path, readAt: world.now(), fromCopy: false, fault: null, warnings: loaded.warnings };
    log.info({ path, warnings: loaded.warnings }, "the configuration was read again");
    return status;
  }

  // Polled: editors replace files, and mounted ones (Kubernetes, NFS) do not tell watchers.
  const loop: Loop = startLoop({
    name: "configuration",
    everyMs: lookEveryMs,
    log,
    async run() {
      if ((await fingerprint(path)) === seen) return;
      try {
        await reload();
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        log.error({ fault: error.message }, "lastgood.yaml is faulty: the former one stays");
      }
    },
  });
  return {
    base: dirname(path),
    current: () => loaded.config,
    file: { status: () => status, reload },
    stop: () => loop.stop(),
  };
}

async function start(
  path: string,
  copy: string,
  now: Date,
): Promise<{ loaded: LoadedConfig; status: ConfigurationStatus }> {
  try {
    const text = await readBounded(path);
    const loaded = requireGood(path, parseConfig(text));
    await keep(copy, text);
    const status = { path, readAt: now, fromCopy: false, fault: null, warnings: loaded.warnings };
    return { loaded, status };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const kept = await loadConfig(copy).catch(() => null);
    if (kept === null) throw error;
    const status = { path, readAt: now, fromCopy: true, fault: error.message, warnings: [] };
    return { loaded: kept, status };
  }
}

function requireGood(path: string, parsed: ParsedConfig): LoadedConfig {
  const say = (each: Parameters<typeof sayComplaint>[1]) => sayComplaint(path, each);
  if (parsed.ok) return { config: parsed.config, warnings: parsed.warnings.map(say) };
  const [first] = parsed.problems;
  throw new Fault(
    "bad_configuration",
    `${parsed.problems.map(say).join("\n")}\nMend ${parsed.problems.length === 1 ? "it" : "them"}, and try with \`lastgood config check\`.`,
    {
      context: {
        path: `${path}:${first?.line}:${first?.column}`,
        problems: parsed.problems.map((each) => ({ file: path, ...each })),
      },
    },
  );
}

/** The file's text, refused before it is read whole when it is too large. Faults as `loadConfig`. */
export async function readBounded(path: string): Promise<string> {
  try {
    // Asked by name first: opening a pipe would wait for its writer.
    const info = await stat(path);
    if (!info.isFile()) throw new Error("not a regular file");
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size > configBytesMax) {
      throw new Fault(
        "bad_configuration",
        `${path}:1:1: the file has ${size} bytes, and ${configBytesMax} is the most: is it the right one?`,
        { context: { path: `${path}:1:1` } },
      );
    }
    return await file.readFile("utf8");
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(
      "not_found",
      `${path} cannot be read (${reason}): write one with \`lastgood init\`, or name another with --config.`,
      { cause },
    );
  }
}

async function keep(copy: string, text: string): Promise<void> {
  await mkdir(dirname(copy), { recursive: true, mode: 0o700 });
  const fresh = `${copy}.new`;
  await writeFile(fresh, text, { mode: 0o600 });
  await rename(fresh, copy);
}

/** Two installations of one home keep their copies apart. */
function copyNameOf(path: string): string {
  const digest = createHash("sha256").update(path).digest("hex").slice(0, 12);
  return `${basename(path).replace(/\.ya?ml$/, "")}-${digest}`;
}

async function fingerprint(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch {
    return "absent";
  }
}
