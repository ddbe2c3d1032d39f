/** A save that is too large for one request, as commits of its first files, of its first and second, and so on. */
import type { BytePath } from "./byte-path.ts";
import { type FileCommand, importCommit } from "./import-stream.ts";
import type { Keep } from "./keep.ts";
import { messageOf, type Save } from "./save.ts";
import type { Mode } from "./tree-files.ts";

const partRef = "refs/lastgood/part";

interface PartFile {
  readonly path: BytePath;
  readonly mode: Mode;
  readonly id: string;
}

/**
 * The files of each part, those of the parts before among them; each adds files of at most `bytesMax`, or one
 * that is larger. `held`: commits whose files need not be sent.
 */
export async function partsOf(
  { git, directory }: Keep,
  save: Save,
  held: readonly string[],
  bytesMax: number,
  signal: AbortSignal,
): Promise<readonly (readonly PartFile[])[]> {
  const list = async (treeish: string) => {
    const args = ["ls-tree", "-r", "-l", "-z", "--full-tree", "--end-of-options", treeish];
    const { stdout } = await git.run(args, { directory, signal });
    return [...stdout.toString("latin1").matchAll(entryForm)].map(
      ([, mode = "", id = "", bytes = "0", path = ""]) => ({
        file: { path: path as BytePath, mode: mode as Mode, id },
        bytes: Number(bytes),
      }),
    );
  };
  const sent = new Set<string>();
  for (const commit of held) for (const { file } of await list(commit)) sent.add(file.id);
  const parts: PartFile[][] = [];
  let [files, bytes]: [PartFile[], number] = [[], 0];
  for (const each of await list(save.tree)) {
    const size = sent.has(each.file.id) ? 0 : each.bytes;
    if (bytes > 0 && bytes + size > bytesMax) {
      parts.push(files);
      [files, bytes] = [[...files], 0];
    }
    files.push(each.file);
    bytes += size;
  }
  return [...parts, files];
}

const entryForm = /(100644|100755|120000) blob ([0-9a-f]+) +(\d+)\t([^\0]+)\0/g;

/** The part as a commit of our own repository. */
export async function writePart(
  keep: Keep,
  save: Save,
  files: readonly PartFile[],
  signal: AbortSignal,
): Promise<string> {
  const about = { ...save, kind: "part", carrier: null } as const;
  const placed = files.map((file): FileCommand => ({ kind: "place", ...file }));
  const { at } = save;
  const commit = { ref: partRef, parents: [], message: messageOf(about), at, files: placed };
  return (await importCommit(keep, commit, [], signal)).id;
}
