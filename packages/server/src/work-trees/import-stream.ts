/**
 * Writes files and commits into a repository of ours in one run of `git fast-import`. A stream that ends
 * before its `done`, because it failed or we were killed, changes no ref.
 */
import { Readable } from "node:stream";
import { deadlineMsMax, type GitOptions } from "../git/git.ts";
import { revertAuthor } from "../git/revert.ts";
import { type BytePath, quoted } from "./byte-path.ts";
import type { Keep } from "./keep.ts";
import type { Mode } from "./tree-files.ts";

export type FileCommand =
  | {
      readonly kind: "write";
      readonly path: BytePath;
      readonly mode: Mode;
      readonly content: Buffer;
    }
  /** A file or a whole tree that the repository holds already. The empty path is the whole commit's tree. */
  | {
      readonly kind: "place";
      readonly path: BytePath;
      readonly mode: Mode | "040000";
      readonly id: string;
    }
  | { readonly kind: "delete"; readonly path: BytePath };

export interface NewCommit {
  readonly ref: string;
  /** Of these it is the child; none for one that begins. It has nothing of their trees. */
  readonly parents: readonly string[];
  readonly message: string;
  readonly at: Date;
  readonly files: Iterable<FileCommand>;
}

export interface Imported {
  readonly id: string;
  readonly tree: string;
}

/** Its ref, and each of `also`, names the new commit. */
export async function importCommit(
  { git, directory }: Keep,
  commit: NewCommit,
  also: readonly string[],
  signal: AbortSignal,
): Promise<Imported> {
  let failed: unknown = null;
  const stream = Readable.from(
    (async function* () {
      try {
        yield* commandsOf(commit, also);
      } catch (error) {
        // Without its `done` the stream is void, and git ends by itself.
        failed = error;
      }
    })(),
  );
  const options: GitOptions = {
    directory,
    signal,
    stdin: stream,
    deadlineMs: deadlineMsMax,
    settings: ["pack.compression=1", "core.compression=1", "core.bigFileThreshold=16m"],
  };
  try {
    const said = await git.text(["fast-import", "--quiet", "--done", "--force"], options);
    const [id = "", listed = ""] = said.split("\n");
    return { id, tree: /^040000 tree ([0-9a-f]+)/.exec(listed)?.[1] ?? "" };
  } catch (error) {
    throw failed ?? error;
  }
}

function* commandsOf(commit: NewCommit, also: readonly string[]): Generator<Buffer> {
  const { ref, parents, message, at, files } = commit;
  const when = `${Math.floor(at.getTime() / 1_000)} +0000`;
  const text = Buffer.from(message, "utf8");
  const [from, ...merged] = parents;
  yield Buffer.from(
    [
      `commit ${ref}`,
      "mark :1",
      `committer ${revertAuthor.name} <${revertAuthor.email}> ${when}`,
      `data ${text.length}`,
      message,
      ...(from === undefined ? [] : [`from ${from}`]),
      ...merged.map((parent) => `merge ${parent}`),
      "",
    ].join("\n"),
  );
  yield Buffer.from("deleteall\n");
  for (const file of files) yield* bytesOf(file);
  yield Buffer.from("\n");
  for (const each of also) yield Buffer.from(`reset ${each}\nfrom :1\n\n`);
  yield Buffer.from('get-mark :1\nls :1 ""\ndone\n');
}

function* bytesOf(file: FileCommand): Generator<Buffer> {
  const path = quoted(file.path);
  if (file.kind === "delete") yield Buffer.from(`D ${path}\n`);
  else if (file.kind === "place") yield Buffer.from(`M ${file.mode} ${file.id} ${path}\n`);
  else {
    yield Buffer.from(`M ${file.mode} inline ${path}\ndata ${file.content.length}\n`);
    yield file.content;
    yield Buffer.from("\n");
  }
}
