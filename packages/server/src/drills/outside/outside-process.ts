/** The outside as a process of its own: `outside.ndjson` is what it has, `requests.ndjson` what it was asked. */
import { appendFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type Given, outsideFile, type Receipt } from "./outside.ts";

export interface OutsideBriefing {
  readonly folder: string;
  readonly port: number;
}

interface Answer {
  readonly status: number;
  readonly body: Receipt | { readonly error: string };
}

const { folder, port } = JSON.parse(process.env.LASTGOOD_DRILL_AGENT ?? "{}") as OutsideBriefing;
const kept = new Map<string, Receipt>();

async function answer(request: IncomingMessage, url: URL): Promise<Answer> {
  if (request.method === "GET") {
    const found = kept.get(url.searchParams.get("key") ?? "");
    return found === undefined
      ? { status: 404, body: { error: "nothing was sent under that key" } }
      : { status: 200, body: found };
  }
  const thing = JSON.parse(await text(request)) as Omit<Given, "at">;
  const receipt = { url: `/${thing.kind}/${thing.name}` };
  append(outsideFile(folder), { at: new Date().toISOString(), ...thing });
  kept.set(thing.key, receipt);
  return { status: 200, body: receipt };
}

function append(file: string, line: object): void {
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

const server = createServer((request, response) => {
  const at = new Date().toISOString();
  const url = new URL(request.url ?? "/", "http://outside");
  void answer(request, url)
    // A client that dies while it sends has sent nothing.
    .catch((error: unknown): Answer => ({ status: 400, body: { error: String(error) } }))
    .then(({ status, body }) => {
      const { method } = request;
      const asked = `${url.pathname}${url.search}`;
      append(join(folder, "requests.ndjson"), { at, method, path: asked, status, answer: body });
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
});
server.listen(port, "127.0.0.1", () => process.send?.({ ready: true }));
process.on("disconnect", () => process.exit(0));
