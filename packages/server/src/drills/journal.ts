/** What an agent writes of itself as it acts, into `agents/<agent>.ndjson` of its world. */
import { appendFileSync, openSync, readSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export interface JournalLine {
  readonly at: string;
  readonly event: string;
  readonly [what: string]: unknown;
}

export type Journal = (event: string, what: Readonly<Record<string, unknown>>) => void;

export function journalFile(folder: string, agent: string): string {
  return join(folder, "agents", `${agent}.ndjson`);
}

/** Each line is in the file when the call returns: what is not there did not happen. */
export function openJournal(folder: string, agent: string): Journal {
  const file = journalFile(folder, agent);
  return (event, what) => {
    appendFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), event, ...what })}\n`);
  };
}

/** Empty where the agent never wrote. A line that was cut by a kill is left out. */
export async function readJournal(folder: string, agent: string): Promise<readonly JournalLine[]> {
  const text = await readFile(journalFile(folder, agent), "utf8").catch(() => "");
  return linesOf(text);
}

/** Reads on from where it stood, each time that it is called. */
export function followJournal(folder: string, agent: string): () => readonly JournalLine[] {
  const file = journalFile(folder, agent);
  let descriptor: number | null = null;
  let offset = 0;
  let rest = "";
  const buffer = Buffer.alloc(65_536);
  return () => {
    try {
      descriptor ??= openSync(file, "r");
    } catch {
      return [];
    }
    for (let read = -1; read !== 0; offset += read) {
      read = readSync(descriptor, buffer, 0, buffer.length, offset);
      rest += buffer.toString("utf8", 0, read);
    }
    const end = rest.lastIndexOf("\n") + 1;
    const whole = rest.slice(0, end);
    rest = rest.slice(end);
    return linesOf(whole);
  };
}

function linesOf(text: string): readonly JournalLine[] {
  return text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line) as JournalLine];
    } catch {
      return [];
    }
  });
}
