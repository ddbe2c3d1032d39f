/**
 * Names that say whose a sandbox is, so that what a killed server left can be told from what is in use:
 * `lgs_<installation>_<pid>_<start>_<n>` for databases, roles and folders alike.
 */
import { createHash } from "node:crypto";

/** One run of one installation of Lastgood. */
export interface Owner {
  readonly installation: string;
  readonly pid: number;
  /** The kernel's start time of that process. */
  readonly startedAt: string;
}

/** Eight characters that stand for the machine and the home folder. */
export function installationOf(hostname: string, home: string): string {
  return createHash("sha256").update(`${hostname}\0${home}`).digest("hex").slice(0, 8);
}

export function nameFor(owner: Owner, n: number): string {
  return `lgs_${owner.installation}_${owner.pid}_${owner.startedAt.replace(/\W/g, "")}_${n}`;
}

/** Null for a name that is not of this form. */
export function ownerOf(name: string): Owner | null {
  const match = /^lgs_([0-9a-f]{8})_(\d{1,10})_(\w{1,30})_\d{1,10}$/.exec(name);
  if (match === null) return null;
  const [, installation = "", pid = "", startedAt = ""] = match;
  return { installation, pid: Number(pid), startedAt };
}

/** A database made from this content is a template for every sandbox that starts from it. */
export function templateName(installation: string, content: readonly string[]): string {
  const digest = createHash("sha256").update(JSON.stringify(content)).digest("hex");
  return `lgt_${installation}_${digest.slice(0, 24)}`;
}
