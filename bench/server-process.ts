/** The built server as a process of its own, as a person starts it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const root = resolve(import.meta.dirname, "..");

/** The packages as they are published. */
export function buildPackages(): void {
  execFileSync(process.execPath, ["--conditions=development", join(root, "scripts/build.ts")], {
    stdio: ["ignore", process.stderr, "inherit"],
  });
}

export interface Started {
  readonly child: ChildProcess;
  readonly readyMs: number;
  readonly url: string;
}

export async function start(home: string, args: readonly string[] = []): Promise<Started> {
  return await launch(["start", "--home", home, "--port", "0", ...args], "Lastgood", {});
}

/** A gateway in a process of its own, before the server at `server`. */
export async function startGateway(
  server: string,
  token: string,
  args: readonly string[],
): Promise<Started> {
  const env = { LASTGOOD_URL: server, LASTGOOD_TOKEN: token };
  return await launch(["gateway", "--port", "0", ...args], "The gateway", env);
}

async function launch(
  args: readonly string[],
  what: string,
  env: Readonly<Record<string, string>>,
): Promise<Started> {
  const began = performance.now();
  const child = spawn(process.execPath, [join(root, "packages/server/bin/lastgood.js"), ...args], {
    cwd: tmpdir(),
    env: {
      ...process.env,
      ...{ LASTGOOD_BUILT: "1", LASTGOOD_CONFIG: undefined, DATABASE_URL: undefined },
      ...env,
    },
    stdio: ["ignore", "pipe", "ignore"],
  });
  for await (const line of createInterface(child.stdout)) {
    const [, url] = new RegExp(`^${what} is at (\\S+)`).exec(line) ?? [];
    if (url !== undefined) return { child, readyMs: performance.now() - began, url };
  }
  throw new Error(
    `${what} ended without an address: run \`lastgood ${args[0]}\` by hand to see why`,
  );
}

export async function stop({ child }: Started): Promise<void> {
  child.kill("SIGTERM");
  await once(child, "exit");
}

/** Processor seconds that the process has used, in user and system mode. */
export async function cpuSeconds({ child }: Started): Promise<number> {
  const stat = await readFile(`/proc/${child.pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticksPerSecond = 100;
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
