/** Tries a spec on a request, and pays nobody: how the gate asks a release. */
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { type Asked, decide, type Spec } from "../policy.ts";
import { briefing, type PreviewBriefing } from "./briefing.ts";

const { port } = briefing<PreviewBriefing>();

createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  text(request)
    .then((body) => {
      const { content, input } = JSON.parse(body) as { content: Spec; input: Asked };
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(decide(content, input)));
    })
    .catch((error: unknown) => response.writeHead(400).end(String(error)));
}).listen(port, "127.0.0.1", () => process.send?.({ ready: true }));
process.on("disconnect", () => process.exit(0));
