import { Fault } from "../fault.ts";
import type { Git, GitOptions } from "./git.ts";
import { requireObjectId } from "./remote.ts";

const bytesMax = 262_144;

/** Lines before and after each change. */
const context = 100;

/**
 * What a commit added and took away against its first parent (null: a root commit), as a diff with the lines
 * around it. Empty where it is larger than a quarter of a megabyte: that tells nothing short.
 */
export async function changedLines(
  git: Git,
  { parent, id }: { readonly parent: string | null; readonly id: string },
  options: GitOptions,
): Promise<string> {
  const plainly = ["--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"];
  const range = parent === null ? ["--root", "--no-commit-id"] : [];
  const between = [...(parent === null ? [] : [requireObjectId(parent)]), requireObjectId(id)];
  const args = [
    "diff-tree",
    "-p",
    "-r",
    `--unified=${context}`,
    ...plainly,
    ...range,
    "--end-of-options",
  ];
  try {
    return await git.text([...args, ...between], { ...options, bytesMax });
  } catch (error) {
    if (error instanceof Fault && error.code === "too_large") return "";
    throw error;
  }
}
