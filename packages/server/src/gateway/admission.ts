/**
 * Who may ask the gateway: holders of Lastgood's own tokens. Looking one up is not waited for where it was
 * known a moment ago, and while nobody can be asked those that were known go on being let in.
 *
 *   D1. A token that is refused is forgotten at once.
 *   D2. Only digests of tokens are remembered, and none is ever logged.
 */
import { hash } from "node:crypto";
import { Fault } from "../fault.ts";

export interface Caller {
  readonly name: string;
  /** Null: a person, or a program of one. */
  readonly agent: string | null;
}

export interface Known extends Caller {
  /** When it was looked up last, in milliseconds since 1970. */
  readonly at: number;
}

export interface Admission {
  /** Faults `unauthenticated`, `token_expired`, `contained`, `forbidden`. */
  admit(token: string): Promise<Caller>;
  /** By digest: what is worth keeping for the next start. */
  known(): ReadonlyMap<string, Known>;
}

const freshMs = 5_000;
const soonMs = 60_000;
/** Whoever was let in before waits no longer for whoever knows. */
const waitMsMax = 500;
const awayMsMax = 7 * 86_400_000;
const rememberedMax = 20_000;
const refusals: ReadonlySet<string> = new Set([
  ...["unauthenticated", "token_expired", "contained", "forbidden"],
]);

/** `look` asks whoever knows: what it throws but a refusal counts as nobody there. */
export function createAdmission({
  look,
  now,
  known = new Map(),
}: {
  look(token: string): Promise<Caller>;
  now(): number;
  readonly known?: ReadonlyMap<string, Known>;
}): Admission {
  const remembered = new Map(known);
  const looking = new Map<string, Promise<Caller>>();
  let isAway = false;

  async function lookUp(digest: string, token: string): Promise<Caller> {
    try {
      const caller = await look(token);
      isAway = false;
      remembered.delete(digest);
      remembered.set(digest, { ...caller, at: now() });
      const [oldest] = remembered.keys();
      if (remembered.size > rememberedMax && oldest !== undefined) remembered.delete(oldest);
      return caller;
    } catch (error) {
      if (error instanceof Fault && refusals.has(error.code)) {
        remembered.delete(digest);
        throw error;
      }
      isAway = true;
      const before = remembered.get(digest);
      if (before !== undefined && now() - before.at < awayMsMax) return before;
      throw nobodyThere(error);
    } finally {
      looking.delete(digest);
    }
  }

  /** One look-up per token at a time, whoever waits for it. */
  function lookOnce(digest: string, token: string): Promise<Caller> {
    const before = looking.get(digest);
    if (before !== undefined) return before;
    const asking = lookUp(digest, token);
    looking.set(digest, asking);
    return asking;
  }

  return {
    known: () => remembered,
    async admit(token) {
      const digest = hash("sha256", token, "base64");
      const before = remembered.get(digest);
      if (before === undefined) return await lookOnce(digest, token);
      const age = now() - before.at;
      if (age <= freshMs) return before;
      const asking = lookOnce(digest, token);
      if (age > awayMsMax) return await asking;
      if (age > soonMs && !isAway) return await within(asking, before);
      // It is looked up for the next one: nobody waits.
      asking.catch(() => {});
      return before;
    },
  };
}

/** What is asked for, or what was known where that takes too long. A refusal is thrown. */
async function within(asking: Promise<Caller>, before: Caller): Promise<Caller> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Caller>((resolve) => {
    timer = setTimeout(() => resolve(before), waitMsMax);
  });
  try {
    return await Promise.race([asking, late]);
  } finally {
    clearTimeout(timer);
  }
}

function nobodyThere(cause: unknown): Fault {
  return new Fault(
    "server_unreachable",
    "Whether this token is good cannot be asked now, and it was not seen here before: try again once Lastgood is back.",
    { cause },
  );
}
