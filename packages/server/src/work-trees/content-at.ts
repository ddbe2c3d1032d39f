import { type BytePath, folderOf, nameOf } from "./byte-path.ts";
import { type OpenFolder, Unreadable, within } from "./open-folder.ts";
import { blobId, type Format, type TreeFile } from "./tree-files.ts";

export interface Content extends TreeFile {
  readonly content: Buffer;
}

/**
 * What is there now, a link's target for a link; null when it is gone, is no file and no link, or has more than
 * `bytesMax`.
 */
export function contentAt(
  root: OpenFolder,
  path: BytePath,
  format: Format,
  bytesMax: number,
): Content | null {
  try {
    return within(root, folderOf(path), (folder) => {
      const name = nameOf(path);
      const stats = folder.look(name);
      if (stats?.isSymbolicLink()) {
        const content = folder.readLink(name);
        return { mode: "120000", id: blobId(format, content), content };
      }
      const content = stats?.isFile() ? folder.read(name, bytesMax)?.content : undefined;
      if (stats === null || content === undefined) return null;
      const mode = (stats.mode & 0o100) === 0 ? "100644" : "100755";
      return { mode, id: blobId(format, content), content };
    });
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}
