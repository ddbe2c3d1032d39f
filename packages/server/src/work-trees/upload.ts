/** Sends saves to the server, each as what the server does not hold yet. */
import type { Client, SavedWorkTree, WorkTreeReport } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { createBundle } from "./bundle.ts";
import type { Keep } from "./keep.ts";
import type { Save } from "./save.ts";

export type UploadClient = Pick<Client, "savedWorkTree" | "saveWorkTree">;

export interface Uploader {
  /** Faults as the server's; `server_unreachable` while it is away. */
  upload(save: Save, report: WorkTreeReport, signal: AbortSignal): Promise<SavedWorkTree>;
}

const standsOnMax = 5;

export function createUploader(keep: Keep, session: string, client: UploadClient): Uploader {
  const { git, directory } = keep;
  /** What the server said last that it holds; null while it was not asked, or was wrong about it. */
  let holds: readonly string[] | null = null;

  /** Of what the server holds, what is here as well. */
  async function shared(signal: AbortSignal): Promise<readonly string[]> {
    holds ??= (await client.savedWorkTree(session, signal)).holds;
    if (holds.length === 0) return [];
    const args = ["cat-file", "--batch-check"];
    const listed = await git.text(args, { directory, signal, stdin: `${holds.join("\n")}\n` });
    return listed
      .split("\n")
      .map((line) => line.split(" "))
      .filter(([, kind]) => kind === "commit")
      .map(([id = ""]) => id)
      .slice(0, standsOnMax);
  }

  async function send(save: Save, report: string, signal: AbortSignal): Promise<SavedWorkTree> {
    const standsOn = await shared(signal);
    const bundle = await createBundle(keep, { save: save.id, report, standsOn }, signal);
    const saved = await client.saveWorkTree(session, bundle, signal);
    holds = saved.holds;
    return saved;
  }

  return {
    async upload(save, report, signal) {
      const args = ["hash-object", "-w", "--no-filters", "--stdin"];
      const id = await git.text(args, { directory, signal, stdin: JSON.stringify(report) });
      try {
        return await send(save, id, signal);
      } catch (error) {
        holds = null;
        if (!(error instanceof Fault) || error.code !== "version_conflict") throw error;
        // It has forgotten what it held, or another one answers: once more, from what it holds now.
        return await send(save, id, signal);
      }
    },
  };
}
