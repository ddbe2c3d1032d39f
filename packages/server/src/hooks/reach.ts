/**
 * Asks the server within what a person who waits will bear: a hook must not slow its agent down. A server that
 * did not answer is left alone for a while.
 */
import { connect } from "node:net";
import { Fault, faults } from "@lastgood/sdk";

/** The server cannot be had now; the agent goes on without. */
export class Away extends Error {
  override readonly name = "Away";
}

export interface Reach {
  /** `Away` when it is not there, or takes longer than `withinMs`. Other faults are thrown as they are. */
  ask<T>(withinMs: number, call: () => Promise<T>): Promise<T>;
}

export interface ReachOptions {
  readonly url: string;
  /** Milliseconds since 1970. */
  awayUntil(): number;
  wentAway(until: number): void;
}

const connectMsMax = 200;
const leftAloneMs = 10_000;

export function createReach({ url, awayUntil, wentAway }: ReachOptions): Reach {
  let isThere = false;

  function away(because: string): Away {
    wentAway(Date.now() + leftAloneMs);
    return new Away(because);
  }

  return {
    async ask(withinMs, call) {
      if (Date.now() < awayUntil()) throw new Away(`${url} did not answer a moment ago`);
      isThere ||= await answers(url);
      if (!isThere) throw away(`nothing answers at ${url}`);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(away(`${url} did not answer in ${withinMs} ms`)), withinMs);
      });
      try {
        return await Promise.race([call(), late]);
      } catch (error) {
        const isPassing = error instanceof Fault && faults[error.code].status >= 500;
        throw isPassing ? away(error.message) : error;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Whether anything takes a connection there, by a look that is short even where packets are lost. */
function answers(url: string): Promise<boolean> {
  if (!URL.canParse(url)) return Promise.resolve(true);
  const { hostname, port, protocol } = new URL(url);
  const ports: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };
  return new Promise((resolve) => {
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ""),
      port: port === "" ? (ports[protocol] ?? 443) : Number(port),
    });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(connectMsMax, () => end(false));
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
