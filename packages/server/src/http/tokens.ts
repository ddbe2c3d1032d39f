/**
 * Tokens `lg_<role>_<id>_<secret>`: only the SHA-256 of the secret is kept, compared in constant time.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { Fault } from "../fault.ts";
import type { AgentName } from "../ids.ts";
import type { Db, Query } from "../store/database.ts";
import { newId, type World } from "../world.ts";
import type { Actor, Role } from "./actor.ts";

export interface NewToken {
  readonly role: Role;
  readonly name: string;
  readonly agent: AgentName | null;
  readonly expiresAt: Date | null;
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** A token that is not recorded yet: what to present, and its id. */
export interface DrawnToken {
  readonly id: string;
  readonly text: string;
}

export function drawToken(world: World, role: Role): DrawnToken {
  const id = newId<string>(world, "t").slice(2);
  return { id, text: `lg_${role}_${id}_${randomBase62(world, 32)}` };
}

/** Records what was drawn, so that it works from now on. */
export async function recordToken(
  db: Query,
  world: World,
  { id, text }: DrawnToken,
  token: NewToken,
): Promise<void> {
  await db`
    insert into tokens ${db({
      id,
      role: token.role,
      name: token.name,
      agent: token.agent,
      secret_sha256: digest(text.slice(text.lastIndexOf("_") + 1)),
      created_at: world.now(),
      expires_at: token.expiresAt,
    })}`;
}

/** Makes a token and returns its text: the only time that it is seen. */
export async function createToken(db: Query, world: World, token: NewToken): Promise<string> {
  const drawn = drawToken(world, token.role);
  await recordToken(db, world, drawn, token);
  return drawn.text;
}

/** A token as it is kept. */
export interface StoredToken {
  readonly id: string;
  readonly role: Role;
  readonly name: string;
  readonly agent: string | null;
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly suspended_because: string | null;
  readonly revoked_at: Date | null;
}

/** All that are not revoked, and those that were revoked lately; newest first, 1,000 at most. */
export async function listTokens(db: Query, id?: string): Promise<readonly StoredToken[]> {
  return await db<StoredToken[]>`
    select id, role, name, agent, created_at, expires_at, suspended_because, revoked_at
    from tokens where ${id === undefined ? db`true` : db`id = ${id}`}
    order by revoked_at desc nulls first, created_at desc, id desc limit 1000`;
}

/**
 * Ends a token for good; one that was revoked stays so. `state_forbids` for the last admin's, without
 * which nobody could make another.
 */
export async function revokeToken(db: Db, world: World, id: string): Promise<StoredToken> {
  return await db.begin(async (tx) => {
    // One revocation at a time, or two could each take the other for the last.
    await tx`lock table tokens in share row exclusive mode`;
    const [token] = await listTokens(tx, id);
    if (token === undefined) {
      throw new Fault("not_found", `There is no token ${id}: see \`lastgood token list\`.`);
    }
    const [others] = await tx<{ admins: number }[]>`
      select count(*) as admins from tokens
      where role = 'admin' and id <> ${id} and revoked_at is null and suspended_because is null
        and (expires_at is null or expires_at > ${world.now()})`;
    if (token.role === "admin" && token.revoked_at === null && others?.admins === 0) {
      throw new Fault(
        "state_forbids",
        `${id} is the last admin token: make another first (\`lastgood token create --role admin --name NAME\`).`,
      );
    }
    await tx`
      update tokens set revoked_at = ${world.now()} where id = ${id} and revoked_at is null`;
    const [revoked] = await listTokens(tx, id);
    return revoked ?? token;
  });
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
