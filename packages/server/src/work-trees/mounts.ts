/** Where in a folder other file systems begin that another machine or process serves: looking there may never end. */
import { readFileSync } from "node:fs";
import { type BytePath, isWithin } from "./byte-path.ts";

/** Those of which we know that this machine's kernel alone answers for them. */
const ownKinds =
  /^(ext[234]|xfs|btrfs|zfs|f2fs|bcachefs|overlay|aufs|tmpfs|ramfs|vfat|exfat|ntfs3|squashfs|erofs)$/;

/** Relative to `folder`, a real path. Empty where the system does not tell. */
export function foreignMounts(folder: string): ReadonlySet<BytePath> {
  const root = Buffer.from(folder, "utf8").toString("latin1");
  const found = new Set<BytePath>();
  for (const line of mountLines()) {
    const [before = "", after = ""] = line.split(" - ");
    const point = (before.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const kind = after.split(" ")[0] ?? "";
    if (point !== root && isWithin(point, root) && !ownKinds.test(kind)) {
      found.add(point.slice(root === "/" ? 1 : root.length + 1) as BytePath);
    }
  }
  return found;
}

function mountLines(): readonly string[] {
  try {
    return readFileSync("/proc/self/mountinfo", "latin1").split("\n");
  } catch {
    return [];
  }
}
