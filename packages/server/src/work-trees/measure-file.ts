import { folderOf, fromText, nameOf } from "./byte-path.ts";
import { openFolder, Unreadable, within } from "./open-folder.ts";
import { asText, wordsIn } from "./what-is-new.ts";

export interface Measure {
  readonly words: number;
  readonly lines: number;
}

const textBytesMax = 4_194_304;

/**
 * How much text there is in one file of the work tree at `root`, committed or not. Null where it is no text, is
 * too large, is not there, or is not in the tree.
 */
export function measureFile(root: string, path: string): Measure | null {
  const parts = path.replace(/^(\.\/+)+/, "").split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".." || part === ".git")) {
    return null;
  }
  const file = fromText(parts.join("/"));
  try {
    using tree = openFolder(root);
    const read = within(tree, folderOf(file), (at) => at.read(nameOf(file), textBytesMax));
    const text = read === null ? null : asText(read.content);
    if (text === null) return null;
    const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
    return { words: wordsIn(text), lines: text === "" ? 0 : lines };
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}
