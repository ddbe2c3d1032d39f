/**
 * Tokens `lg_<role>_<id>_<secret>`: only the SHA-256 of the secret is kept, compared in constant time.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { Fault } from "../fault.ts";
import type { AgentName } from "../ids.ts";
import type { Query } from "../store/database.ts";
import { newId, type World } from "../world.ts";
import type { Actor, Role } from "./actor.ts";

export interface NewToken {
  readonly role: Role;
  readonly name: string;
  readonly agent: AgentName | null;
  readonly expiresAt: Date | null;
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** Makes a token and returns its text: the only time that it is seen. */
export async function createToken(db: Query, world: World, token: NewToken): Promise<string> {
  const id = newId<string>(world, "t").slice(2);
  const secret = randomBase62(world, 32);
  await db`
    insert into tokens ${db({
      id,
      role: token.role,
      name: token.name,
      agent: token.agent,
      secret_sha256: digest(secret),
      created_at: world.now(),
      expires_at: token.expiresAt,
    })}`;
  return `lg_${token.role}_${id}_${secret}`;
}

/** Who presents this token. Faults: `unauthenticated`, `token_expired`, `contained`. */
export async function authenticate(db: Query, world: World, text: string): Promise<Actor> {
  const match = /^lg_(viewer|agent|operator|admin)_([0-9a-z]{12})_([0-9A-Za-z]{20,60})$/.exec(text);
  const [row] =
    match === null
      ? []
      : await db<Row[]>`
          select id, role, name, agent, secret_sha256, expires_at, suspended_because
          from tokens where id = ${match[2] ?? ""} and revoked_at is null`;
  if (row === undefined || !timingSafeEqual(row.secret_sha256, digest(match?.[3] ?? ""))) {
    throw new Fault(
      "unauthenticated",
      "This token is unknown or revoked: ask an admin for one (`lastgood token create`).",
    );
  }
  if (row.expires_at !== null && row.expires_at <= world.now()) {
    throw new Fault(
      "token_expired",
      `The token "${row.name}" expired at ${row.expires_at.toISOString()}: ask an admin for a new one.`,
    );
  }
  if (row.suspended_because !== null) {
    throw new Fault("contained", `The token "${row.name}" is suspended: ${row.suspended_because}`);
  }
  return row.role === "agent"
    ? { role: "agent", token: row.id, name: row.name, agent: row.agent as AgentName }
    : { role: row.role, token: row.id, name: row.name };
}

interface Row {
  id: string;
  role: Role;
  name: string;
  agent: string | null;
  secret_sha256: Buffer;
  expires_at: Date | null;
  suspended_because: string | null;
}

function digest(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** Unbiased: bytes that do not fit a whole multiple of 62 are drawn again. */
function randomBase62(world: World, bytes: number): string {
  const length = Math.ceil((bytes * 8) / Math.log2(62));
  let text = "";
  while (text.length < length) {
    for (const byte of world.randomBytes(length)) {
      if (byte < 248 && text.length < length) text += base62.charAt(byte % 62);
    }
  }
  return text;
}
