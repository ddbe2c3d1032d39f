/**
 * The program that keeps one service running, whatever becomes of Lastgood. Started detached with the
 * service's folder as its only argument; found again through `keeper.json` in that folder; told what to
 * do over loopback HTTP by whoever knows the secret in it. Ends by itself when the folder goes, or when
 * another keeper has taken it over.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { identify } from "../../process-group.ts";
import { KeeperLog } from "./keeper-log.ts";
import { type KeeperRecord, recordFile, type ServeOrder, secretFile } from "./keeper-protocol.ts";
import { Steward } from "./keeper-steward.ts";

const bodyBytesMax = 1_048_576;
const waitMsMax = 20_000;
const watchMs = 1_000;

async function main(folder: string): Promise<void> {
  const secret = (await readFile(join(folder, secretFile), "utf8")).trim();
  const log = await KeeperLog.open(join(folder, "logs"));
  const steward = new Steward(folder, log);
  await steward.sweep();
  const server = createServer((request, reply) => {
    const gone = new AbortController();
    reply.once("close", () => gone.abort());
    void answer(request, gone.signal).then(
      ([status, body]) => reply.writeHead(status).end(JSON.stringify(body)),
      (error: unknown) => reply.writeHead(500).end(JSON.stringify({ error: String(error) })),
    );
  });

  async function answer(request: IncomingMessage, gone: AbortSignal): Promise<[number, unknown]> {
    if (!isSecret(request.headers.authorization ?? "", `Bearer ${secret}`)) return [401, {}];
    const url = new URL(request.url ?? "/", "http://keeper");
    switch (`${request.method} ${url.pathname}`) {
      case "GET /status":
        return [200, steward.status()];
      case "GET /exits": {
        const signal = AbortSignal.any([gone, AbortSignal.timeout(waitMsMax)]);
        await steward.exitAfter(Number(url.searchParams.get("after")), signal);
        return [200, steward.status()];
      }
      case "POST /serve":
        return [200, await steward.serve((await bodyOf(request)) as ServeOrder)];
      case "POST /stop":
        await steward.stop();
        setImmediate(() => server.close(() => process.exit(0)));
        return [200, {}];
      default:
        return [404, {}];
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no control port was given");
  await writeRecord(folder, address.port);
  const watch = setInterval(async () => {
    if (await isOurs(folder)) return;
    clearInterval(watch);
    await steward.stop();
    process.exit(0);
  }, watchMs);
}

async function writeRecord(folder: string, controlPort: number): Promise<void> {
  const identity = identify(process.pid);
  if (identity === null) throw new Error("this process cannot find itself");
  const record: KeeperRecord = { ...identity, controlPort };
  const file = join(folder, recordFile);
  await writeFile(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

async function isOurs(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, recordFile), "utf8").catch(() => "{}");
  return (JSON.parse(text) as Partial<KeeperRecord>).pid === process.pid;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyBytesMax) throw new Error("the order is larger than 1 MiB");
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

function isSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

// A terminal's Ctrl-C and a closing session end Lastgood, not what it keeps.
process.on("SIGINT", () => {});
process.on("SIGHUP", () => {});
await main(process.argv[2] ?? "");
