import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { until } from "../support/until.ts";

export interface Received {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  readonly body: Record<string, unknown>;
}

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  /** Everything that came, in order. */
  readonly received: readonly Received[];
  /** How the next requests are answered; `null` leaves one without an answer. Default: 202. */
  answer(...with_: ((response: ServerResponse) => void)[]): void;
  /** Resolves when `count` requests have come in all. */
  until(count: number): Promise<readonly Received[]>;
}

/** A real HTTP server on loopback that plays the other side. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const answers: ((response: ServerResponse) => void)[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    received.push({
      path: request.url ?? "",
      headers: request.headers,
      text,
      body: JSON.parse(text) as Record<string, unknown>,
    });
    const answer = answers.shift() ?? ((to) => to.writeHead(202).end("{}"));
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    answer: (...more) => void answers.push(...more),
    async until(count) {
      return await until(`${count} requests`, () => received.length >= count && received);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
