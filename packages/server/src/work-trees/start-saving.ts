/**
 * Saves a work tree for as long as a session works in it, and sends what was saved to the server, so that a
 * disk that goes takes no more with it than the last half minute.
 *
 *   T1. It looks three times in the time that may be lost, and saves what changed when the save before is two
 *       thirds of that time old: there is time left to save and to send.
 *   T2. While the server is away it goes on saving here, and sends the latest when it is back.
 *   T3. `stop` saves a last time, and sends it if the server is there.
 */
import type { SaveKind } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { type OpenOptions, openWorkTree } from "./inspect.ts";
import type { Save } from "./save.ts";
import { createSaver, type Look } from "./save-work-tree.ts";
import { createUploader, type UploadClient } from "./upload.ts";

export interface SavingOptions extends OpenOptions {
  readonly path: string;
  readonly session: string;
  /** At most so much is lost. Default 30,000. */
  readonly everyMs?: number;
  /** Without one it is saved on this machine alone. */
  readonly client?: UploadClient | null;
  /** What came of each look that did something, or failed. */
  readonly told?: (event: SavingEvent) => void;
}

export type SavingEvent =
  | { readonly kind: "saved"; readonly save: Save }
  | { readonly kind: "sent"; readonly save: Save }
  | { readonly kind: "failed"; readonly doing: "save" | "send"; readonly error: unknown };

export interface SavingStatus {
  /** The latest save on this machine. */
  readonly saved: Save | null;
  /** The latest that the server has. */
  readonly sent: Save | null;
  /** Why the latest could not be saved or sent; null when all is well. */
  readonly failure: unknown;
}

export interface Saving {
  /** Saves and sends what there is now. It fails only as `status().failure` says. */
  save(kind?: SaveKind): Promise<SavingStatus>;
  status(): SavingStatus;
  /** Saves and sends a last time, for at most `waitMs` (default 20,000); with 0 it just stops. */
  stop(waitMs?: number): Promise<SavingStatus>;
}

const looksPerSpan = 3;
const lookMsMin = 10;
const workMsMax = 150_000;
/** What the server refuses for good is not sent again until there is something else to send. */
const final = new Set(["too_large", "bad_input", "forbidden", "not_yours", "not_found", "fenced"]);

/**
 * Saves the tree as the session finds it, and from then on as it changes. `not_found` for a path that is no
 * folder.
 */
export async function startSaving(options: SavingOptions): Promise<Saving> {
  const { path, session, everyMs = 30_000, client = null, told = () => {} } = options;
  const tree = await openWorkTree(path, options);
  const saver = createSaver(tree, session);
  const uploader = client === null ? null : createUploader(tree.keep, session, client);
  const stopping = new AbortController();
  let status: SavingStatus = { saved: null, sent: null, failure: null };
  let savedAt = 0;
  let refused: string | null = null;
  let turn: Promise<unknown> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  async function attempt(
    doing: "save" | "send",
    signal: AbortSignal,
    act: () => Promise<void>,
  ): Promise<void> {
    try {
      await act();
    } catch (error) {
      status = { ...status, failure: error };
      // One that gave way to the last save did not fail.
      if (!signal.aborted || !stopping.signal.aborted) told({ kind: "failed", doing, error });
    }
  }

  async function work(kind: SaveKind, signal: AbortSignal): Promise<SavingStatus> {
    status = { ...status, failure: null };
    await attempt("save", signal, async () => {
      const look = await saver.save(kind, signal);
      status = { ...status, saved: look.save };
      if (look.isNew) {
        savedAt = performance.now();
        told({ kind: "saved", save: look.save });
      }
      await attempt("send", signal, () => send(look, signal));
    });
    return status;
  }

  async function send({ save, report }: Look, signal: AbortSignal): Promise<void> {
    if (uploader === null || status.sent?.id === save.id || refused === save.id) return;
    try {
      await uploader.upload(save, await report(), signal);
    } catch (error) {
      if (error instanceof Fault && final.has(error.code)) refused = save.id;
      throw error;
    }
    status = { ...status, sent: save };
    told({ kind: "sent", save });
  }

  /** Never twice at once; each waits for the one before. */
  function inTurn(kind: SaveKind, signal: AbortSignal): Promise<SavingStatus> {
    const mine = turn.then(() => work(kind, signal));
    turn = mine;
    return mine;
  }

  const lookMs = Math.max(lookMsMin, everyMs / looksPerSpan);

  function lookLater(): void {
    if (stopping.signal.aborted) return;
    timer = setTimeout(() => void look().finally(lookLater), lookMs);
    timer.unref();
  }

  async function look(): Promise<void> {
    const isDue = performance.now() - savedAt >= lookMs * (looksPerSpan - 1) - lookMsMin;
    if (!isDue) return;
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(workMsMax)]);
    await inTurn("change", signal);
  }

  await inTurn("start", AbortSignal.timeout(workMsMax));
  lookLater();
  return {
    save: (kind = "change") => inTurn(kind, AbortSignal.timeout(workMsMax)),
    status: () => status,
    async stop(waitMs = 20_000) {
      clearTimeout(timer);
      stopping.abort();
      if (waitMs > 0) return await inTurn("end", AbortSignal.timeout(waitMs));
      await turn;
      return status;
    },
  };
}
