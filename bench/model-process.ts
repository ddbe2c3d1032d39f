/**
 * A model endpoint as a process of its own: streams 20 words, 5 ms apart, the first after 5 ms. Each word is the
 * moment that it was sent, in nanoseconds of the clock that all processes of a machine share. Prints its port.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const words = 20;
const everyMs = 5;

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume();
  request.once("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    let sent = 0;
    const began = performance.now();
    // Each word has its time: what is late does not make the next one late.
    const sayNext = () =>
      setTimeout(say, Math.max(0, began + everyMs * (sent + 1) - performance.now()));
    const say = () => {
      sent += 1;
      const delta = { content: `${process.hrtime.bigint()} ` };
      const finish = sent === words ? "stop" : null;
      const choices = [{ index: 0, delta, finish_reason: finish }];
      const chunk = {
        id: "chat",
        object: "chat.completion.chunk",
        created: 1,
        model: "m",
        choices,
      };
      response.write(`data: ${JSON.stringify(chunk)}\n\n`);
      if (sent < words) return sayNext();
      const usage = { prompt_tokens: 7, completion_tokens: words, total_tokens: words + 7 };
      response.end(`data: ${JSON.stringify({ ...chunk, choices: [], usage })}\n\ndata: [DONE]\n\n`);
    };
    sayNext();
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
