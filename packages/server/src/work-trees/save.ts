/** A save as plain data, and the commit message that carries it. */
import type { SaveKind } from "@lastgood/sdk";
import { type Link, linkText, parseLink } from "./chain.ts";

/** What one commit of a session's chain says of itself. Its tree is the work tree as it was. */
export interface Save {
  readonly id: string;
  readonly tree: string;
  readonly session: string;
  readonly kind: SaveKind;
  readonly at: Date;
  /** Of the agent's own repository. */
  readonly head: string | null;
  readonly branch: string | null;
  /** The commit that carries the agent's own commits that no remote had. */
  readonly carrier: string | null;
  readonly link: Link;
}

export type NewSave = Omit<Save, "id" | "tree">;

const kinds: readonly SaveKind[] = ["start", "change", "end", "before-undo", "undone", "part"];

const says: Readonly<Record<SaveKind, string>> = {
  start: "The work tree as the session found it",
  change: "The work tree as it changed",
  end: "The work tree as the session left it",
  "before-undo": "The work tree before edits were taken back",
  undone: "The work tree after edits were taken back",
  part: "A first part of the work tree",
};

/** Whether the session itself made what it saved: not who took its edits back. */
export function isOfSession({ kind }: Pick<Save, "kind">): boolean {
  return kind === "start" || kind === "change" || kind === "end";
}

export function messageOf({ session, kind, head, branch, carrier, link }: NewSave): string {
  const lines = [
    `Lastgood-Session: ${oneLine(session)}`,
    `Lastgood-Save: ${kind}`,
    `Lastgood-Chain: ${linkText(link)}`,
    ...(head === null ? [] : [`Lastgood-Head: ${head}`]),
    ...(branch === null ? [] : [`Lastgood-Branch: ${oneLine(branch)}`]),
    ...(carrier === null ? [] : [`Lastgood-Commits: ${carrier}`]),
  ];
  return `${says[kind]}\n\n${lines.join("\n")}\n`;
}

function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, " ").trim();
}

/** Null for a commit that is no save. */
export function parseSave(id: string, tree: string, at: Date, message: string): Save | null {
  const value = (key: string) =>
    new RegExp(`^Lastgood-${key}: (.+)$`, "m").exec(message)?.[1] ?? null;
  const session = value("Session");
  const kind = kinds.find((each) => each === value("Save"));
  if (session === null || kind === undefined) return null;
  const [head, branch] = [value("Head"), value("Branch")];
  const [carrier, link] = [value("Commits"), parseLink(value("Chain"))];
  return { id, tree, at, session, kind, head, branch, carrier, link };
}
