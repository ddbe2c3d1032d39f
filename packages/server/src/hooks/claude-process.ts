/** The process of Claude Code among those that called this hook: it lives as long as the session does. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { identify, type ProcessIdentity } from "../process-group.ts";

interface Ancestor {
  readonly pid: number;
  readonly parent: number;
  readonly words: readonly string[];
}

const ancestorsMax = 12;
/** They stand between Claude Code and a hook, and end with it. */
const between = /^-?(sh|bash|dash|zsh|ash|ksh|fish|busybox|env|timeout|nice|npx|npm|lastgood)$/;

/** The one that is named so; else the first that is no shell. Null where that cannot be told. */
export function findClaude(from: number = process.ppid): ProcessIdentity | null {
  const chain: Ancestor[] = [];
  for (let pid = from; pid > 1 && chain.length < ancestorsMax; ) {
    const found = ancestor(pid);
    if (found === null) break;
    chain.push(found);
    pid = found.parent;
  }
  const claude = chain.find(({ words }) =>
    words.slice(0, 2).some((word) => /^claude(\b|-|$)/i.test(basename(word))),
  );
  const first = chain.find(({ words }) => !isBetween(words));
  const pid = (claude ?? first)?.pid;
  return pid === undefined ? null : identify(pid);
}

function isBetween(words: readonly string[]): boolean {
  const [program = "", script = ""] = words.map((word) => basename(word));
  return between.test(program) || (/^node/.test(program) && /^(npm|npx|lastgood)/.test(script));
}

function ancestor(pid: number): Ancestor | null {
  try {
    return process.platform === "linux" ? fromProc(pid) : fromPs(pid);
  } catch {
    return null;
  }
}

function fromProc(pid: number): Ancestor {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter(Boolean);
  return { pid, parent, words };
}

function fromPs(pid: number): Ancestor {
  const text = execFileSync("ps", ["-o", "ppid=,args=", "-p", String(pid)], {
    encoding: "utf8",
    timeout: 500,
  });
  const [parent = "", ...words] = text.trim().split(/\s+/);
  return { pid, parent: Number(parent), words };
}
