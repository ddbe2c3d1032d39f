/** The message of a revert. Every word of it is fixed by what is reverted and why. */
import { parseCheckpoint } from "@lastgood/sdk";
import type { FullCommit } from "../../git/read-commits.ts";

export interface RevertReason {
  readonly incident: string | null;
  readonly because: string;
}

/** Of the commits taken back, newest first. */
export function revertMessage(
  commits: readonly [FullCommit, ...FullCommit[]],
  { incident, because }: RevertReason,
): string {
  const [newest, ...others] = commits;
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  const marked = commits.map(({ message }) => parseCheckpoint(message).task);
  const tasks = [...new Set(marked.filter((task) => task !== null))];
  const paragraphs = [
    `Revert "${oneLine(newest.subject, 200)}"${more}`,
    commits.map(sentenceOf).join("\n"),
    oneLine(because, 500),
    tasks.map((task) => `[task:${task}]`).join(" "),
    [...(incident === null ? [] : [`Incident: ${incident}`]), "Agent: lastgood"].join("\n"),
  ];
  return `${paragraphs.filter((paragraph) => paragraph !== "").join("\n\n")}\n`;
}

function sentenceOf(commit: FullCommit): string {
  return commit.parents.length < 2
    ? `This reverts commit ${commit.id}.`
    : `This reverts commit ${commit.id}, reversing\nchanges made to ${commit.parents[0]}.`;
}

export function oneLine(text: string, length: number): string {
  return text.replace(/\s+/g, " ").trim().slice(0, length);
}

/**
 * The date of a revert: the onset of the damage, or the tip's where that is later. The clock has no say,
 * so the same world gives the same revert.
 */
export function revertDate(since: Date, tip: FullCommit): Date {
  const latest = Math.max(since.getTime(), tip.committedAt.getTime());
  return new Date(Math.floor(latest / 1_000) * 1_000);
}
