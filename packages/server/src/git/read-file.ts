import { Fault } from "../fault.ts";
import type { Git, GitOptions } from "./git.ts";

/** One regular file at a commit; null for none, a folder or a link. `too_large` beyond `bytesMax`. */
export async function readFile(
  git: Git,
  commit: string,
  path: string,
  bytesMax: number,
  options: GitOptions,
): Promise<Buffer | null> {
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) return null;
  const args = ["ls-tree", "-z", "-l", "--full-tree", "--end-of-options", commit, "--", path];
  const listed = await git.text(args, options);
  const entry = /^100(?:644|755) blob ([0-9a-f]+) +(\d+)\t/.exec(listed);
  if (entry === null) return null;
  const [, blob = "", bytes = "0"] = entry;
  if (Number(bytes) > bytesMax) {
    throw new Fault(
      "too_large",
      `${path} at ${commit.slice(0, 12)} has ${bytes} bytes, and at most ${bytesMax} are read: make it smaller.`,
    );
  }
  return (await git.run(["cat-file", "blob", blob], { ...options, bytesMax })).stdout;
}
