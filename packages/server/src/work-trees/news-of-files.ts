/** What is new in each of many files, found out once for each content. */
import { setImmediate as rest } from "node:timers/promises";
import { folderOf, nameOf } from "./byte-path.ts";
import { isConverted } from "./converted.ts";
import type { WorkTree } from "./inspect.ts";
import { type OpenFolder, openFolder, Unreadable, within } from "./open-folder.ts";
import { readObjects } from "./read-objects.ts";
import { newsKey, type Uncommitted } from "./uncommitted.ts";
import { asText, type FileNews, whatIsNew } from "./what-is-new.ts";

/** A file with more is not read as text. */
const textBytesMax = 4_194_304;
/** Of all files together that are read at once. */
const readBytesMax = 67_108_864;
const sliceMs = 8;

/** By `newsKey`. What is no text, or is too large, is not among them. */
export async function newsOf(
  tree: WorkTree,
  files: readonly Uncommitted[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, FileNews>> {
  const news = new Map<string, FileNews>();
  const wanted: Uncommitted[] = [];
  let bytes = 0;
  for (const file of files) {
    const known = tree.known.news.get(newsKey(file));
    if (known !== undefined) news.set(newsKey(file), known);
    else if (file.kind === "file" && file.after !== undefined && file.bytes <= textBytesMax) {
      bytes += file.bytes;
      if (bytes <= readBytesMax) wanted.push(file);
    }
  }
  if (wanted.length === 0) return news;
  const ids = wanted.flatMap(({ before }) => (before === undefined ? [] : [before.id]));
  const blobs = await readObjects(tree.keep, "blob", ids, textBytesMax, signal);
  using root = openFolder(tree.path);
  let began = performance.now();
  for (const file of wanted) {
    const found = newsIn(root, file, blobs);
    if (found !== null) news.set(newsKey(file), found);
    if (performance.now() - began < sliceMs) continue;
    await rest();
    signal.throwIfAborted();
    began = performance.now();
  }
  return news;
}

function newsIn(
  root: OpenFolder,
  { path, before, after }: Uncommitted,
  blobs: ReadonlyMap<string, Buffer>,
): FileNews | null {
  const now = contentOf(root, path);
  // Without what the last commit has there is no telling what is new.
  const committed = before === undefined ? null : blobs.get(before.id);
  if (now === null || committed === undefined) return null;
  if (committed !== null && before?.mode === after?.mode && isConverted(now, committed)) {
    return "converted";
  }
  const text = asText(now);
  return text === null ? null : whatIsNew(committed === null ? null : asText(committed), text);
}

function contentOf(root: OpenFolder, path: Uncommitted["path"]): Buffer | null {
  try {
    const read = within(root, folderOf(path), (folder) => folder.read(nameOf(path), textBytesMax));
    return read?.content ?? null;
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}
