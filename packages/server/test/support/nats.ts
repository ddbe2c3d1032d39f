import { type ChildProcess, execFile, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../src/free-port.ts";

export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** SIGKILL from outside, and the same store again on the same port. */
  killAndRestart(): Promise<void>;
  /** SIGKILL, and nothing answers until `start`. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/**
 * The nats-server binaries to test on: LASTGOOD_TEST_NATS_SERVERS (separated by colons), otherwise the
 * one on PATH. None, or fewer than two where servers are required,
 * is a failure and not a reason to skip.
 */
export function natsBinaries(): readonly string[] {
  const named = process.env.LASTGOOD_TEST_NATS_SERVERS;
  const found = (
    named !== undefined && named !== "" ? named.split(delimiter) : onPath("nats-server")
  ).filter(isExecutable);
  const least = process.env.LASTGOOD_REQUIRE_SERVERS === "1" ? 2 : 1;
  if (found.length < least) {
    throw new Error(
      `${found.length} of ${least} nats-server binaries found: install nats-server, or name them in LASTGOOD_TEST_NATS_SERVERS.`,
    );
  }
  return found;
}

function onPath(program: string): readonly string[] {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders
    .map((folder) => join(folder, program))
    .filter(isExecutable)
    .slice(0, 1);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A nats-server of the test's own with JetStream: `await using nats = await startNats(binary)`. */
export async function startNats(
  binary: string,
  /** `durable`: it writes to the disk before it acknowledges, where its version can. */
  { durable = false }: { durable?: boolean } = {},
): Promise<NatsServer> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-nats-"));
  const port = await freePort();
  const conf = join(folder, "nats.conf");
  const sync = durable && (await takesSyncAlways(binary)) ? "sync_interval: always" : "";
  await writeFile(
    conf,
    `listen: 127.0.0.1:${port}\njetstream {\n  store_dir: "${folder}/store"\n  ${sync}\n}\n`,
  );
  let child = await launch(binary, conf, port);
  const kill = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  const start = async () => {
    child = await launch(binary, conf, port);
  };
  return {
    url: `nats://127.0.0.1:${port}`,
    get pid() {
      return child.pid ?? -1;
    },
    kill,
    start,
    async killAndRestart() {
      await kill();
      await start();
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Servers before 2.10 refuse the option. */
async function takesSyncAlways(binary: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)(binary, ["--version"]);
  const [, major = 0, minor = 0] = (/v(\d+)\.(\d+)/.exec(stdout) ?? []).map(Number);
  return major > 2 || minor >= 10;
}

async function launch(binary: string, conf: string, port: number): Promise<ChildProcess> {
  const log = `${conf}.log`;
  const child = spawn(binary, ["-c", conf, "-l", log], { stdio: "ignore" });
  const deadline = Date.now() + 10_000;
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      throw new Error(`${binary} did not start: ${await readFile(log, "utf8").catch(() => "")}`);
    }
  }
  return child;
}

/** NATS greets first: a connection that is greeted is a server that serves. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial({ port, host: "127.0.0.1" });
    const end = (answer: boolean) => {
      socket.destroy();
      setTimeout(() => resolve(answer), answer ? 0 : 5);
    };
    socket.once("data", () => end(true));
    socket.once("error", () => end(false));
    socket.setTimeout(1_000, () => end(false));
  });
}
