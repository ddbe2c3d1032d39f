/** Commits in the current folder as whoever types would: with git's own hooks, settings and identity. */
import { spawn } from "node:child_process";
import { Fault } from "../fault.ts";

export interface MadeCommit {
  readonly commit: string;
  /** As git kept it: a hook may have changed it. */
  readonly message: string;
  readonly at: string;
  readonly author: string;
}

/** `all`: stages everything first, new files too. Faults: `state_forbids` where there is nothing to commit. */
export async function commitHere(message: string, all: boolean): Promise<MadeCommit> {
  if (all) await requireGit(["add", "--all"], "stage everything");
  // The message is an argument: hooks and signing programs keep the terminal.
  const commit = await git(["commit", "--quiet", "--cleanup=whitespace", "-m", message]);
  if (commit.status !== 0) throw await refused(commit);
  const format = "--format=%H%x00%cI%x00%an <%ae>%x00%B";
  const shown = await requireGit(["log", "-1", "--no-notes", format], "read the commit back");
  const [id = "", at = "", author = "", ...rest] = shown.split("\0");
  return { commit: id, at, author, message: rest.join("\0").trim() };
}

async function refused({ said }: Ended): Promise<Fault> {
  const inside = await git(["rev-parse", "--is-inside-work-tree"]);
  if (inside.status !== 0) {
    return new Fault(
      "state_forbids",
      `${process.cwd()} is no git work tree: go into one, or make one with \`git init\`.`,
    );
  }
  const staged = await git(["diff", "--cached", "--quiet"]);
  if (staged.status === 0) {
    return new Fault(
      "state_forbids",
      "Nothing is staged, so there is nothing to commit: stage it with `git add`, or pass --all.",
    );
  }
  return new Fault("command_failed", `git made no commit: ${said || "it said nothing"}`);
}

async function requireGit(args: readonly string[], what: string): Promise<string> {
  const { status, out, said } = await git(args);
  if (status === 0) return out;
  throw new Fault("command_failed", `git did not ${what}: ${said || "it said nothing"}`);
}

interface Ended {
  readonly status: number | null;
  readonly out: string;
  /** The end of what it said. */
  readonly said: string;
}

const saidMax = 2_000;

/** What git and its hooks say goes to stderr, as it comes. */
function git(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn("git", args, { stdio: ["inherit", "pipe", "pipe"] });
    let out = "";
    let said = "";
    const tell = (text: string) => {
      said = (said + text).slice(-saidMax);
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
      tell(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => tell(text));
    child.once("error", (cause) =>
      reject(
        new Fault("missing_program", `git cannot be started (${cause.message}): install it.`, {
          cause,
        }),
      ),
    );
    child.once("close", (status) => resolve({ status, out, said: said.trim() }));
  });
}
