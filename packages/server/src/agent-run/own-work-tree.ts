/** The work tree that a program is started in: found, saved while it changes, and read for the brief. */
import { type Client, Fault, type WorkTreePlace, type WorkTreeReport } from "@lastgood/sdk";
import { ownHost } from "../own-host.ts";
import { workTreeAround } from "../work-trees/find-work-tree.ts";
import { readWorkTree } from "../work-trees/read-work-tree.ts";
import { type SavingEvent, startSaving } from "../work-trees/start-saving.ts";
import { rest } from "./beating.ts";
import type { RunEvent } from "./run-events.ts";

export interface OwnWorkTree {
  readonly place: WorkTreePlace;
  /** Saves what `session` finds, and from then on as it changes. */
  startSaving(client: Client, session: string, stop: AbortSignal): Promise<Saving>;
  /** Null where it cannot be read in time. */
  report(): Promise<WorkTreeReport | null>;
}

export interface Saving {
  /** Saves a last time. Where the session is over the server takes no more of it: then it is kept here. */
  stop(session: { readonly isOver: boolean }): Promise<void>;
}

const everyMs = 30_000;
/** A tree that takes longer is not waited for: what the program does meanwhile counts as found. */
const startMsMax = 60_000;
const lastMsMax = 10_000;
const readMsMax = 20_000;

/** Of the repository that the folder lies in; null where it lies in none. */
export function findOwnWorkTree(
  folder: string,
  home: string,
  told: (event: RunEvent) => void,
): OwnWorkTree | null {
  const path = workTreeAround(folder);
  if (path === null) return null;
  const trouble = (what: string, error: unknown) =>
    told({ event: "trouble", what, because: error instanceof Error ? error.message : `${error}` });
  return {
    place: { path, host: ownHost() },
    async startSaving(client, session, stop) {
      let isOver = false;
      const saving = startSaving({
        ...{ path, session, everyMs, client, home },
        told: (event) => {
          if (isTrouble(event) && !isOver)
            trouble(`the work tree was not ${pastOf(event.doing)}`, event.error);
        },
      });
      const started = saving.then(
        () => true,
        (error: unknown) => {
          trouble("the work tree is not saved", error);
          return true;
        },
      );
      const late = new AbortController();
      const inTime = rest(startMsMax, AbortSignal.any([stop, late.signal])).then(() => false);
      if (!(await Promise.race([started, inTime]))) {
        trouble("the work tree is large", "the program starts before all of it was saved");
      }
      late.abort();
      return {
        async stop(session) {
          isOver = session.isOver;
          const one = await saving.catch(() => null);
          await one?.stop(lastMsMax);
        },
      };
    },
    async report() {
      try {
        return await readWorkTree(path, { home, signal: AbortSignal.timeout(readMsMax) });
      } catch (error) {
        trouble("the work tree could not be read for the brief", error);
        return null;
      }
    },
  };
}

function isTrouble(event: SavingEvent): event is Extract<SavingEvent, { kind: "failed" }> {
  // A session that is over is said elsewhere; a server that is away as well.
  const { error } = event.kind === "failed" ? event : { error: null };
  if (error instanceof Fault && ["fenced", "server_unreachable"].includes(error.code)) return false;
  return event.kind === "failed";
}

function pastOf(doing: "save" | "send"): string {
  return doing === "save" ? "saved" : "sent";
}
