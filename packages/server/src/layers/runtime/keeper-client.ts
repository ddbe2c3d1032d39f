/**
 * Lastgood's side of a keeper: finds the living one of a service's folder, starts one where there is
 * none, and asks it over loopback HTTP.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { request as requestOf } from "node:http";
import { getCompileCacheDir } from "node:module";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Fault } from "../../fault.ts";
import { endGroup, isAlive, type ProcessIdentity, startGroup } from "../../process-group.ts";
import {
  type KeeperRecord,
  type KeeperStatus,
  recordFile,
  type ServeOrder,
  type ServeResult,
  secretFile,
} from "./keeper-protocol.ts";

/** A keeper that was alive when it was found. Each call faults `layer_unreachable` if it is no longer. */
export interface Keeper {
  readonly identity: ProcessIdentity;
  status(signal: AbortSignal): Promise<KeeperStatus>;
  serve(order: ServeOrder, signal: AbortSignal): Promise<ServeResult>;
  /** Resolves with the status at the first exit after `sequence`, or after 20 s. */
  exitAfter(sequence: number, signal: AbortSignal): Promise<KeeperStatus>;
  /** Ends the instances, then the keeper. Resolves when nothing of them lives. */
  stop(signal: AbortSignal): Promise<void>;
}

const bootMsMax = 10_000;
const answerMsMax = 5_000;
const marginMs = 15_000;

/** The living keeper of this folder; null when there is none. */
export async function findKeeper(folder: string): Promise<Keeper | null> {
  const text = await readIfThere(join(folder, recordFile));
  if (text === null) return null;
  const record = JSON.parse(text) as KeeperRecord;
  if (!isAlive(record)) return null;
  const secret = await readIfThere(join(folder, secretFile));
  return secret === null ? null : keeperAt(record, secret.trim());
}

/** The living keeper of this folder, adopted or started. It outlives this process. */
export async function findOrStartKeeper(folder: string): Promise<Keeper> {
  const found = await findKeeper(folder);
  if (found !== null) return found;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const secret = randomBytes(32).toString("hex");
  await rm(join(folder, recordFile), { force: true });
  await writeFile(join(folder, secretFile), secret, { mode: 0o600 });
  await using log = await open(join(folder, "keeper.log"), "w", 0o600);
  const { child } = startGroup([process.execPath, ...flags, entry, folder], {
    cwd: folder,
    // None of Lastgood's own environment: the instances' comes with each order.
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", ...compiledAlready() },
    stdio: ["ignore", log.fd, log.fd],
  });
  child.unref();
  const failed = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(`it exited with ${signal ?? `code ${code}`}`));
  });
  return await untilFound(folder, failed);
}

const entry = fileURLToPath(import.meta.url).replace(/keeper-client\.(ts|js)$/, "keeper.$1");
const flags = ["--max-semi-space-size=4", "--disable-warning=ExperimentalWarning"];

/** Where this process finds what it need not compile again: a keeper is there in less than half the time. */
function compiledAlready(): { readonly NODE_COMPILE_CACHE?: string } {
  const folder = getCompileCacheDir();
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) };
}

async function untilFound(folder: string, failed: Promise<string>): Promise<Keeper> {
  const deadline = performance.now() + bootMsMax;
  while (performance.now() < deadline) {
    const found = await findKeeper(folder);
    if (found !== null) return found;
    const because = await Promise.race([failed, pause(10)]);
    if (because !== undefined) throw await notStarted(folder, because);
  }
  throw await notStarted(folder, `it was not ready within ${bootMsMax} ms`);
}

async function notStarted(folder: string, because: string): Promise<Fault> {
  const said = (await readIfThere(join(folder, "keeper.log"))) ?? "";
  return new Fault(
    "layer_unreachable",
    `The keeper in ${folder} did not start (${because}): ${said.trim().slice(-1_000)}`,
  );
}

function keeperAt({ controlPort, ...identity }: KeeperRecord, secret: string): Keeper {
  const ask = <T>(
    method: string,
    path: string,
    withinMs: number,
    signal: AbortSignal,
    body?: unknown,
  ) => askKeeper<T>({ controlPort, secret, method, path, withinMs, signal, body });
  return {
    identity,
    status: (signal) => ask("GET", "/status", answerMsMax, signal),
    exitAfter: (sequence, signal) => ask("GET", `/exits?after=${sequence}`, 30_000, signal),
    // The one before may have to be waited for, and its drain with it.
    serve: (order, signal) =>
      ask("POST", "/serve", 2 * (order.readyMs + order.drainMs) + marginMs, signal, order),
    async stop(signal) {
      await ask("POST", "/stop", 60_000, signal);
      await endGroup(identity, 2_000);
    },
  };
}

interface Ask {
  readonly controlPort: number;
  readonly secret: string;
  readonly method: string;
  readonly path: string;
  readonly withinMs: number;
  readonly signal: AbortSignal;
  readonly body: unknown;
}

async function askKeeper<T>({ controlPort, secret, withinMs, ...asked }: Ask): Promise<T> {
  const { method, path, signal, body } = asked;
  const deadline = AbortSignal.timeout(withinMs);
  return await new Promise<T>((resolve, reject) => {
    const request = requestOf(
      {
        host: "127.0.0.1",
        port: controlPort,
        method,
        path,
        agent: false,
        headers: { authorization: `Bearer ${secret}` },
        signal: AbortSignal.any([signal, deadline]),
      },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          text += chunk;
        });
        answer.once("error", reject);
        answer.once("end", () => {
          // Only our own keeper knows the secret, and it answers in the protocol's shapes.
          if (answer.statusCode === 200) resolve(JSON.parse(text) as T);
          else reject(new Error(`answered ${answer.statusCode}: ${text.slice(0, 500)}`));
        });
      },
    );
    request.once("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  }).catch((cause: unknown) => {
    if (signal.aborted) throw signal.reason;
    throw new Fault(
      deadline.aborted ? "timed_out" : "layer_unreachable",
      `The keeper on port ${controlPort} did not answer ${method} ${path}: ${String(cause)}`,
      { cause },
    );
  });
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
