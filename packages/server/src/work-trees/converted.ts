/**
 * Whether a file is what was committed, though its bytes differ: git writes some files otherwise than it keeps
 * them. Decided from the two contents alone, because git would have to be asked in the agent's repository.
 */
import { createHash } from "node:crypto";

/** Lines that end as on Windows, and files that Git LFS keeps elsewhere and names by their digest. */
export function isConverted(file: Buffer, committed: Buffer): boolean {
  return (
    isPointerTo(file, committed) ||
    (file.includes("\r\n") && withoutReturns(file).equals(committed))
  );
}

const pointerBytesMax = 1_024;
const pointerForm =
  /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)\n$/;

function isPointerTo(file: Buffer, committed: Buffer): boolean {
  if (committed.length > pointerBytesMax) return false;
  const [, digest, size] = pointerForm.exec(committed.toString("latin1")) ?? [];
  if (digest === undefined || Number(size) !== file.length) return false;
  return createHash("sha256").update(file).digest("hex") === digest;
}

function withoutReturns(content: Buffer): Buffer {
  return Buffer.from(content.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
}
