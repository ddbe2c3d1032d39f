/**
 * Databases for sandboxes, on the server that is given for them.
 *
 *   D1. Schema and fixture are loaded once per content into a template; a sandbox is a clone of it.
 *   D2. The repository's SQL runs as a role of its own with a password of its own, never as ours, and
 *       never by `set role`: it could be reset.
 *   D3. A sandbox's role may connect to its own database and, of those that Lastgood answers for, to no
 *       other: the right that everybody has by default is taken from Lastgood's database, and given by
 *       name to whoever could log in until then.
 *   D4. Everything is named after its owner; what a dead owner left is dropped by `sweep`.
 */
import { randomBytes } from "node:crypto";
import type postgres from "postgres";
import { orAborted } from "../abort.ts";
import { Fault } from "../fault.ts";
import { openPool } from "../store/driver.ts";
import { type Owner, ownerOf, templateName } from "./sandbox-name.ts";

export interface SandboxDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

export interface SandboxDatabases {
  /** A database of this content under this name: a clone, in a fraction of a second once it was loaded. */
  create(name: string, content: Content, signal: AbortSignal): Promise<SandboxDatabase>;
  /** Loads this content, if it is not yet. */
  prepare(content: Content, signal: AbortSignal): Promise<void>;
  /** Drops what `isDead` owners of this installation left; returns the names. */
  sweep(isDead: (owner: Owner) => boolean): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** SQL texts, applied in this order. */
export interface Content {
  readonly schema: string;
  readonly fixture: string;
}

const loadMsMax = 120_000;
const templatesKept = 8;
const lockKey = 4_715_382_902;

export function createSandboxDatabases({
  adminUrl,
  installation,
}: {
  /** Of a role that may create databases and roles; its database is the one that is protected. */
  readonly adminUrl: string;
  readonly installation: string;
}): SandboxDatabases {
  const admin = openPool(adminUrl, { max: 4, onnotice: () => {}, idle_timeout: 30 });
  const templates = new Map<string, Promise<void>>();
  let protectedOnce: Promise<void> | null = null;

  /** Made for everyone who waits: that one of them gives up does not stop it. */
  async function template(name: string, content: Content, signal: AbortSignal): Promise<void> {
    const made =
      templates.get(name) ??
      makeTemplate(name, content, AbortSignal.timeout(loadMsMax)).catch((error: unknown) => {
        templates.delete(name);
        throw error;
      });
    templates.set(name, made);
    await orAborted(made, signal);
  }

  /** D1. Built under the same name; only one that is whole is marked as a template. */
  async function makeTemplate(name: string, content: Content, signal: AbortSignal): Promise<void> {
    const [found] = await admin<{ whole: boolean }[]>`
      select datistemplate as whole from pg_database where datname = ${name}`;
    if (found?.whole === true) return;
    if (found !== undefined) await dropDatabase(name);
    await forgetOldTemplates(name);
    const password = randomBytes(24).toString("hex");
    await dropRole(name);
    await admin.unsafe(`create role ${name} login password '${password}' connection limit 2`);
    await admin.unsafe(`create database ${name}`);
    await admin.unsafe(`revoke all on database ${name} from public`);
    await admin.unsafe(`grant connect, create, temporary on database ${name} to ${name}`);
    await asAdminOf(name, (sql) => sql.unsafe(`alter schema public owner to ${name}`));
    await load(urlOf(adminUrl, name, { user: name, password }), content, signal);
    await asAdminOf(name, (sql) => sql.unsafe("vacuum (analyze)"));
    await admin.unsafe(`alter role ${name} nologin password null`);
    await admin.unsafe(`alter database ${name} with is_template true`);
  }

  async function asAdminOf(database: string, act: (sql: postgres.Sql) => Promise<unknown>) {
    const sql = openPool(urlOf(adminUrl, database, null), { max: 1, onnotice: () => {} });
    try {
      await act(sql);
    } finally {
      await sql.end({ timeout: 5 });
    }
  }

  async function forgetOldTemplates(keep: string): Promise<void> {
    const rows = await admin<{ name: string }[]>`
      select datname as name from pg_database
      where starts_with(datname, ${`lgt_${installation}_`}) and datname <> ${keep}
      order by oid desc offset ${templatesKept - 1}`;
    for (const { name } of rows) {
      templates.delete(name);
      await dropDatabase(name);
    }
  }

  async function dropDatabase(name: string): Promise<void> {
    const [found] = await admin<{ template: boolean }[]>`
      select datistemplate as template from pg_database where datname = ${name}`;
    if (found?.template) await admin.unsafe(`alter database ${name} with is_template false`);
    await admin.unsafe(`drop database if exists ${name} with (force)`);
    await dropRole(name);
  }

  /** The memberships and grants of a role go with it; what it owned went with its database. */
  async function dropRole(name: string): Promise<void> {
    const [found] = await admin`select 1 from pg_roles where rolname = ${name}`;
    if (found === undefined) return;
    await admin.unsafe(`drop owned by ${name}`);
    await admin.unsafe(`drop role ${name}`);
  }

  async function prepare(content: Content, signal: AbortSignal): Promise<string> {
    protectedOnce ??= protect(admin).catch((error: unknown) => {
      protectedOnce = null;
      throw error;
    });
    await protectedOnce;
    const from = templateName(installation, [content.schema, content.fixture]);
    await template(from, content, signal);
    return from;
  }

  return {
    async prepare(content, signal) {
      await prepare(content, signal);
    },

    async create(name, content, signal) {
      const from = await prepare(content, signal);
      signal.throwIfAborted();
      const password = randomBytes(24).toString("hex");
      try {
        await admin.unsafe(`create database ${name} template ${from} strategy file_copy`);
        await admin.unsafe(
          `create role ${name} login password '${password}' connection limit 40 in role ${from}`,
        );
        await admin.unsafe(`revoke all on database ${name} from public`);
        await admin.unsafe(`grant connect, create, temporary on database ${name} to ${name}`);
      } catch (error) {
        await dropDatabase(name);
        throw error;
      }
      return {
        url: urlOf(adminUrl, name, { user: name, password }),
        drop: () => dropDatabase(name),
      };
    },

    async sweep(isDead) {
      const rows = await admin<{ name: string }[]>`
        select datname as name from pg_database where starts_with(datname, 'lgs_')
        union select rolname from pg_roles where starts_with(rolname, 'lgs_')`;
      const dead = rows
        .map((row) => row.name)
        .filter((name) => {
          const owner = ownerOf(name);
          return owner?.installation === installation && isDead(owner);
        });
      for (const name of dead) await dropDatabase(name);
      return dead;
    },

    close: () => admin.end({ timeout: 5 }),
  };
}

/** D3. Done once, under a lock: two servers that start at once do not trip over each other. */
async function protect(admin: postgres.Sql): Promise<void> {
  await admin.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${lockKey})`;
    const [own] = await tx<{ name: string; open: boolean }[]>`
      select datname as name, exists (
        select from aclexplode(coalesce(datacl, acldefault('d', datdba)))
        where grantee = 0 and privilege_type = 'CONNECT') as open
      from pg_database where datname = current_database()`;
    if (own === undefined || !own.open) return;
    const others = await tx<{ role: string }[]>`
      select quote_ident(rolname) as role from pg_roles
      where rolcanlogin and not rolsuper and rolname <> current_user
        and not starts_with(rolname, 'lgs_') and not starts_with(rolname, 'lgt_')`;
    const database = quoted(own.name);
    for (const { role } of others)
      await tx.unsafe(`grant connect on database ${database} to ${role}`);
    await tx.unsafe(`revoke connect on database ${database} from public`);
  });
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** D2. Whatever is wrong with the SQL is a fault of the configuration or the revision, in its words. */
async function load(url: string, { schema, fixture }: Content, signal: AbortSignal): Promise<void> {
  const sql = openPool(url, {
    max: 1,
    onnotice: () => {},
    connection: { statement_timeout: loadMsMax, application_name: "lastgood-sandbox" },
  });
  try {
    for (const [what, text] of Object.entries({ schema, fixture })) {
      if (text.trim() === "") continue;
      signal.throwIfAborted();
      await withDeadline(sql.unsafe(text).simple(), signal).catch((cause: unknown) => {
        signal.throwIfAborted();
        throw new Fault(
          "bad_configuration",
          `The sandbox's ${what} cannot be loaded: ${String(cause)}. It must be plain SQL that a role without special rights may run.`,
          { cause },
        );
      });
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function withDeadline<T>(
  query: Promise<T> & { cancel(): unknown },
  signal: AbortSignal,
): Promise<T> {
  signal.throwIfAborted();
  const cancel = () => void query.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await query;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

function urlOf(
  base: string,
  database: string,
  login: { readonly user: string; readonly password: string } | null,
): string {
  const url = new URL(base);
  url.pathname = `/${database}`;
  if (login !== null) {
    url.username = login.user;
    url.password = login.password;
  }
  return url.href;
}
