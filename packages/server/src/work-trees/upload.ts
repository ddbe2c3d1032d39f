/** Sends saves to the server, each as what the server does not hold yet. */
import type { Client, SavedWorkTree, WorkTreeReport } from "@lastgood/sdk";
import { Fault } from "../fault.ts";
import { bundleBytesMax, createBundle } from "./bundle.ts";
import type { Keep } from "./keep.ts";
import type { Save } from "./save.ts";
import { partsOf, writePart } from "./save-parts.ts";

export type UploadClient = Pick<Client, "savedWorkTree" | "saveWorkTree">;

export interface Uploader {
  /** Faults as the server's; `server_unreachable` while it is away. */
  upload(save: Save, report: WorkTreeReport, signal: AbortSignal): Promise<SavedWorkTree>;
}

const standsOnMax = 5;
/** Of files before they are packed: packed they are smaller. */
const partShare = 0.75;

function isTooLarge(error: unknown): boolean {
  return error instanceof Fault && error.code === "too_large";
}

/** `bytesMax`: what one request may have. */
export function createUploader(
  keep: Keep,
  session: string,
  client: UploadClient,
  bytesMax: number = bundleBytesMax,
): Uploader {
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

  async function sendOne(id: string, report: string, signal: AbortSignal): Promise<SavedWorkTree> {
    const standsOn = await shared(signal);
    const bundle = await createBundle(keep, { save: id, report, standsOn }, signal, bytesMax);
    const saved = await client.saveWorkTree(session, bundle, signal);
    holds = saved.holds;
    return saved;
  }

  /** What is too large for one request goes in parts, each with what the ones before had. */
  async function send(save: Save, report: string, signal: AbortSignal): Promise<SavedWorkTree> {
    try {
      return await sendOne(save.id, report, signal);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      const held = await shared(signal);
      for (const files of await partsOf(keep, save, held, partShare * bytesMax, signal)) {
        await sendOne(await writePart(keep, save, files, signal), report, signal);
      }
      return await sendOne(save.id, report, signal);
    }
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
