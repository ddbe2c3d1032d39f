import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below the range from which systems take the ports of outgoing connections: one taken from there is
 * often gone again before a child has opened it.
 */
const ports = { from: 15_000, below: 32_768 } as const;
const triesMax = 50;

/** A loopback port that was free a moment ago. Whoever takes it must cope with losing the race. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = randomInt(ports.from, ports.below);
    if (await isFree(port)) return port;
  }
  throw new Error(`${triesMax} ports between ${ports.from} and ${ports.below} were all taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const opened = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  if (opened) await new Promise((resolve) => server.close(resolve));
  return opened;
}
