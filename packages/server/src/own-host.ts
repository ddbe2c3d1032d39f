import { readFileSync, readlinkSync } from "node:fs";

/**
 * Names this boot of this machine and its process namespace: only there do pids and paths mean the same.
 * Where that cannot be told it is a name that matches nobody's.
 */
export function ownHost(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return `unknown ${process.pid}`;
  }
}
