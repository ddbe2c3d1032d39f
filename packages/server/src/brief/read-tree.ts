/**
 * The uncommitted files of whoever worked before: read where they are when that is on this machine, else as
 * they were saved last.
 */
import type { WorkTreePlace, WorkTreeReport } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import type { Session } from "../fleet/session.ts";

export interface WorkTrees {
  /** This machine, as the places of work trees name it. */
  readonly host: string;
  /** Whether a person has named a folder above it for the server to read. */
  mayRead(agent: string, path: string): boolean;
  /** Reads the disk. */
  read(place: WorkTreePlace, signal: AbortSignal): Promise<WorkTreeReport>;
  /** What was saved last of the session's work tree. */
  saved(session: string): Promise<WorkTreeReport | null>;
  /** How much text a file of a work tree on this machine has, committed or not. */
  measure(root: string, path: string): { readonly words: number; readonly lines: number } | null;
}

export interface ReadTree {
  readonly report: WorkTreeReport | null;
  /** Where it is, or was; null where no session said. */
  readonly place: string | null;
  readonly doubts: readonly string[];
}

const readMsMax = 5_000;

/**
 * The work tree of the session before, which may hold what was half written; after a first brief, such as when
 * its context was compacted, the asking session's own.
 */
export async function readTree(
  trees: WorkTrees | null,
  {
    session,
    before,
    ownTreeFirst,
  }: {
    readonly session: Session | null;
    readonly before: Session | null;
    readonly ownTreeFirst: boolean;
  },
): Promise<ReadTree> {
  const order = ownTreeFirst ? [session, before] : [before, session];
  const doubts: string[] = [];
  let place: string | null = null;
  for (const of of order) {
    if (of === null || of.workTree === null) continue;
    place ??= of.workTree.path;
    if (trees === null) continue;
    const found = await readOne(trees, of, of.workTree);
    if (found.report !== null) return { report: found.report, place, doubts };
    if (found.doubt !== null) doubts.push(found.doubt);
  }
  return { report: null, place, doubts };
}

async function readOne(
  trees: WorkTrees,
  { id, agent }: Pick<Session, "id" | "agent">,
  place: WorkTreePlace,
): Promise<{ readonly report: WorkTreeReport | null; readonly doubt: string | null }> {
  let doubt: string | null = null;
  if (place.host === trees.host && !trees.mayRead(agent, place.path)) {
    doubt = `${place.path} was not read: nobody named a folder above it under agents.${agent}.workTrees`;
  } else if (place.host === trees.host) {
    try {
      const report = await trees.read(place, AbortSignal.timeout(readMsMax));
      return { report, doubt: null };
    } catch (error) {
      doubt = `${place.path} could not be read: ${saidBy(error)}`;
    }
  }
  return { report: await trees.saved(id), doubt };
}

/** What the disk or the deadline said; anything else is a bug, and not a doubt. */
function saidBy(error: unknown): string {
  const isExpected =
    error instanceof Fault ||
    (error instanceof Error && ("code" in error || /^(Abort|Timeout)Error$/.test(error.name)));
  if (!isExpected) throw error;
  return error.message;
}
