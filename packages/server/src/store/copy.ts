/** COPY as streams that end: with all rows, or with a failure, and never with silence. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import type { Tx } from "./database.ts";

/** What went through a stream of COPY text: every row ends with a line feed, and holds no other. */
export interface Tally {
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

function tallying(): { stream: Transform; tally(): Tally } {
  const hash = createHash("sha256");
  let [rows, bytes] = [0, 0];
  const stream = new Transform({
    transform(chunk: Buffer, _, pass) {
      hash.update(chunk);
      bytes += chunk.length;
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) rows += 1;
      pass(null, chunk);
    },
  });
  return { stream, tally: () => ({ rows, bytes, sha256: hash.digest("hex") }) };
}

/** Writes what `copy` yields to a new file, compressed, and onto the disk. */
export async function copyOut(
  tx: Tx,
  table: string,
  columns: readonly string[],
  file: string,
): Promise<Tally> {
  const source = await tx`
    copy ${tx(table)} (${tx([...columns])}) to stdout`.readable();
  const handle = await open(file, "wx", 0o600);
  const { stream, tally } = tallying();
  try {
    await pipeline(
      source,
      stream,
      createGzip({ level: 6 }),
      handle.createWriteStream({ flush: true }),
    );
  } finally {
    await handle.close().catch(() => {});
  }
  return tally();
}

/** Reads a file through, for its tally alone. */
export async function tallyOf(file: string): Promise<Tally> {
  const { stream, tally } = tallying();
  await pipeline(createReadStream(file), createGunzip(), stream, async (chunks) => {
    for await (const _ of chunks);
  });
  return tally();
}

/** Feeds a file to a table inside the transaction, and tells what was fed. */
export async function copyIn(
  tx: Tx,
  table: string,
  columns: readonly string[],
  file: string,
): Promise<Tally> {
  const sink = await tx`
    copy ${tx(table)} (${tx([...columns])}) from stdin`.writable();
  const { stream, tally } = tallying();
  await pipeline(createReadStream(file), createGunzip(), stream, sink);
  return tally();
}
