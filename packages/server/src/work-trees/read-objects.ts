import type { Keep } from "./keep.ts";

/**
 * The contents of objects of our own repository, by their ids. What is missing, of another kind or larger
 * than `bytesMax` is left out.
 */
export async function readObjects(
  { git, directory }: Pick<Keep, "git" | "directory">,
  kind: "blob" | "commit",
  ids: readonly string[],
  bytesMax: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Buffer>> {
  const contents = new Map<string, Buffer>();
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return contents;
  const own = { directory, signal };
  const listed = await git.text(["cat-file", "--batch-check"], { ...own, stdin: lines(wanted) });
  const fitting = listed
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, found, bytes]) => found === kind && Number(bytes) <= bytesMax)
    .map(([id = ""]) => id);
  if (fitting.length === 0) return contents;
  const { stdout } = await git.run(["cat-file", "--batch", "--buffer"], {
    ...own,
    stdin: lines(fitting),
    bytesMax: totalBytesMax,
  });
  for (let at = 0; at < stdout.length; ) {
    const end = stdout.indexOf(10, at);
    const [id = "", , bytes = "0"] = stdout.toString("latin1", at, end).split(" ");
    const begin = end + 1;
    contents.set(id, stdout.subarray(begin, begin + Number(bytes)));
    at = begin + Number(bytes) + 1;
  }
  return contents;
}

const totalBytesMax = 268_435_456;

const lines = (ids: readonly string[]) => `${ids.join("\n")}\n`;
