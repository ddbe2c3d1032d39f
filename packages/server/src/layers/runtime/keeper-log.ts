import { appendFile, mkdir, open, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";

export const logBytesMax = 4_194_304;

/**
 * What the instances of a service wrote, on disk, bounded: two files of at most 4 MB, the older one
 * dropped. Each line carries the time and who wrote it.
 */
export class KeeperLog {
  readonly #folder: string;
  #size = 0;
  #linesLost = 0;
  #last: Promise<void> = Promise.resolve();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<KeeperLog> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const log = new KeeperLog(folder);
    log.#size = await sizeOf(join(folder, "current.log"));
    return log;
  }

  /** Lines that could not be written, on a full disk for one: the service goes on without them. */
  get linesLost(): number {
    return this.#linesLost;
  }

  /** Copies a stream line by line until it ends; a writer that is too fast is slowed, not buffered. */
  async copy(stream: Readable, who: string, also: (text: string) => void): Promise<void> {
    let partial = "";
    for await (const chunk of stream.setEncoding("utf8") as AsyncIterable<string>) {
      also(chunk);
      const lines = (partial + chunk).split("\n");
      partial = (lines.pop() ?? "").slice(-8_192);
      await this.write(lines, who);
    }
    if (partial !== "") await this.write([partial], who);
  }

  async write(lines: readonly string[], who: string): Promise<void> {
    if (lines.length === 0) return;
    const at = new Date().toISOString();
    const text = lines.map((line) => `${at} ${who} ${line}\n`).join("");
    this.#last = this.#last
      .then(() => this.#append(text))
      .catch(() => {
        this.#linesLost += lines.length;
      });
    await this.#last;
  }

  async #append(text: string): Promise<void> {
    const current = join(this.#folder, "current.log");
    if (this.#size > logBytesMax) {
      await rename(current, join(this.#folder, "older.log"));
      this.#size = 0;
    }
    await appendFile(current, text, { mode: 0o600 });
    this.#size += Buffer.byteLength(text);
  }
}

/** The last `bytes` of a service's log, from whole lines. Reads the files alone: needs no keeper. */
export async function readLog(folder: string, bytes: number): Promise<string> {
  const current = await tailOf(join(folder, "current.log"), bytes);
  const missing = bytes - Buffer.byteLength(current);
  const older = missing > 0 ? await tailOf(join(folder, "older.log"), missing) : "";
  const text = older + current;
  const cut = Buffer.byteLength(text) >= bytes ? text.indexOf("\n") + 1 : 0;
  return text.slice(cut);
}

async function tailOf(file: string, bytes: number): Promise<string> {
  const size = await sizeOf(file);
  if (size === 0) return "";
  await using handle = await open(file, "r");
  const length = Math.min(size, bytes);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
  return buffer.toString("utf8", 0, bytesRead);
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0;
    throw error;
  }
}
