/**
 * How long `lastgood start` takes until its address is printed, on an empty home and on one that exists,
 * and how much memory the built server holds when it has been idle. Processes as a person starts them,
 * on the packages as they are published.
 */
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { BenchOptions } from "./run.ts";
import { buildPackages, start, stop } from "./server-process.ts";

export const name = "startup";

const goals = { emptyMs: 5_000, existingMs: 2_000, idleRssMb: 150 };

async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1_024;
}

/** What the process group of PostgreSQL holds, shared pages counted once. */
async function postgresMb(home: string): Promise<number> {
  const record = await readFile(join(home, "postgres/data/postmaster.pid"), "utf8");
  const leader = Number(record.split("\n")[0]);
  const children = await readFile(`/proc/${leader}/task/${leader}/children`, "utf8");
  const pids = [leader, ...children.trim().split(" ").map(Number)];
  const sizes = await Promise.all(
    pids.map(async (pid) => {
      const smaps = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
      return Number(/^Pss:\s+(\d+) kB/m.exec(smaps)?.[1] ?? 0);
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0) / 1_024;
}

function median(values: readonly number[]): number {
  return Math.round([...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN);
}

export async function run({ short }: BenchOptions): Promise<Record<string, number | object>> {
  buildPackages();
  const folder = await mkdtemp(join(tmpdir(), "lastgood-bench-"));
  await chmod(folder, 0o755);
  try {
    const rounds = short ? 3 : 7;
    const [empty, existing]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      const home = join(folder, `home-${round}`);
      const first = await start(home);
      empty.push(first.readyMs);
      await stop(first);
      const again = await start(home);
      existing.push(again.readyMs);
      await stop(again);
      if (round < rounds - 1) await rm(home, { recursive: true });
    }
    const idleS = short ? 5 : 30;
    const home = join(folder, `home-${rounds - 1}`);
    const idle = await start(home);
    await delay(idleS * 1_000);
    const idleRssMb = Math.round(await residentMb(idle.child.pid ?? 0));
    const idlePostgresMb = Math.round(await postgresMb(home));
    await stop(idle);
    const [emptyMs, existingMs] = [median(empty), median(existing)];
    return {
      ...{ rounds, idleS, emptyMs, existingMs, idleRssMb, idlePostgresMb },
      ratios: {
        emptyToGoal: ratio(emptyMs, goals.emptyMs),
        existingToGoal: ratio(existingMs, goals.existingMs),
        idleRssToGoal: ratio(idleRssMb, goals.idleRssMb),
      },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function ratio(value: number, goal: number): number {
  return Math.round((value / goal) * 100) / 100;
}
