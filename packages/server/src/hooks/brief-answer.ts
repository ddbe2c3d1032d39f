/** The brief, as large as Claude Code takes from a hook. */
import { type Connection, createClient } from "@lastgood/sdk";
import { readWorkTree } from "../work-trees/read-work-tree.ts";
import type { HookedSession } from "./hooked-session.ts";
import type { Reach } from "./reach.ts";

/** What a hook says is cut at 10,000 characters, and ours is JSON with its escapes. */
export const outputMax = 9_500;
const tokensMax = 2_200;
const briefMsMax = 5_000;
const treeMsMax = 4_000;

export async function briefFor(
  {
    connection,
    reach,
    session,
    workTree,
    home,
  }: {
    readonly connection: Connection;
    readonly reach: Reach;
    readonly session: HookedSession;
    readonly workTree: string | null;
    readonly home: string;
  },
  id: string,
): Promise<string> {
  const client = createClient(connection);
  const { agent } = session.state();
  const name = agent ?? (await reach.ask(briefMsMax, () => client.sessionOf(id))).record.agent;
  const report = workTree === null ? null : await readInTime(workTree, home);
  const asked = { session: id, maxTokens: tokensMax, ...(report && { workTree: report }) };
  const { markdown } = await reach.ask(briefMsMax, () => client.briefText(name, asked));
  const more = `\n\nThis is session ${id} of ${name}. All of the brief: \`lastgood brief ${name}\`\n`;
  return fitted(markdown, more);
}

/** As much of it as fits once it is JSON, by whole lines. */
function fitted(markdown: string, more: string): string {
  let kept = markdown.trimEnd();
  while (JSON.stringify(kept + more).length > outputMax - 200) {
    const line = kept.lastIndexOf("\n", kept.length - 2);
    kept = line > 0 ? kept.slice(0, line) : kept.slice(0, kept.length - 500);
  }
  return kept + more;
}

/** What is not read in time the server reads, where it can. */
async function readInTime(path: string, home: string) {
  try {
    return await readWorkTree(path, { home, signal: AbortSignal.timeout(treeMsMax) });
  } catch {
    return null;
  }
}
