/** How often the kernel has killed for memory in a process's control group: both versions of cgroups. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = "/sys/fs/cgroup";

/** Where it is counted for this process; null where that cannot be told. To be asked while it lives. */
export function memoryKillsFile(pid: number): string | null {
  const groups = textOf(`/proc/${pid}/cgroup`)?.split("\n") ?? [];
  const older = groups.find((line) => /^\d+:([^:]*,)?memory(,[^:]*)?:/.test(line));
  const folder = older ?? groups.find((line) => line.startsWith("0::"));
  if (folder === undefined) return null;
  const path = folder.split(":").slice(2).join(":");
  const [controller, name] =
    older === undefined ? ["", "memory.events"] : ["memory", "memory.oom_control"];
  // Inside a container the path of the host may be said, where only the group's own root is mounted.
  const places = [join(root, controller, path, name), join(root, controller, name)];
  return places.find((place) => textOf(place) !== null) ?? null;
}

/** Null where it is not counted. */
export function memoryKills(file: string | null): number | null {
  if (file === null) return null;
  const count = /^oom_kill (\d+)$/m.exec(textOf(file) ?? "")?.[1];
  return count === undefined ? null : Number(count);
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
