/** Commits and pushes one act of the story each time that it is told to. */
import { join } from "node:path";
import { hearWhatIsTold } from "../../hear-what-is-told.ts";
import { git } from "../../run-git.ts";
import { tellStory } from "../story.ts";
import { readFiles, writeFiles } from "../work-tree.ts";
import { startAgent } from "./agent-process.ts";

export interface PushOrder {
  readonly act: number;
  /** The branch that the work is on: `main`, or `next`, which goes live in one push. */
  readonly branch: "main" | "next";
  /** Whether what is on the branch goes live now: it is on `main`, and Lastgood's hook is rung. */
  readonly live: boolean;
}

export interface Pushed {
  readonly act: number;
  readonly commit: string;
  /** When the branch held it, ISO 8601. */
  readonly pushedAt: string;
}

const { briefing, client, journal } = startAgent();
const { name, folder, seed, variant } = briefing;
const tree = join(folder, "work", name);
const story = tellStory(seed, variant);
const acts = [...story.acts, ...story.again.acts];

async function push({ act, branch, live }: PushOrder): Promise<Pushed> {
  const edit = acts[act]?.edit;
  if (edit === undefined) throw new Error(`the story has no act ${act}`);
  await git(tree, name, "pull", "--quiet", "--rebase", "origin", branch);
  await writeFiles(tree, edit.apply(await readFiles(tree)));
  await git(tree, name, "add", "--all");
  await git(
    tree,
    name,
    "commit",
    "--quiet",
    `--message=${edit.subject}\n\nTask: task_${seed}_${act}`,
  );
  await git(tree, name, "push", "--quiet", "origin", `HEAD:${branch}`);
  if (live && branch !== "main") await git(tree, name, "push", "--quiet", "origin", "HEAD:main");
  const pushedAt = new Date().toISOString();
  const commit = await git(tree, name, "rev-parse", "HEAD");
  journal("wrote", { commit, subject: edit.subject });
  if (live) await client.repositoryPushed("content-api");
  return { act, commit, pushedAt };
}

process.on("message", (order: PushOrder) => {
  push(order).then(
    (pushed) => process.send?.(pushed),
    (error: unknown) => {
      process.send?.({ act: order.act, error: String(error) });
    },
  );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ ready: true });
await hearWhatIsTold(client, name, journal);
