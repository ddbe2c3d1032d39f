import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/free-port.ts";
import { unprivilegedAccount } from "../../src/store/account.ts";
import { openDatabase } from "../../src/store/database.ts";
import { until } from "../support/until.ts";

/** Where Debian's packages put the oldest PostgreSQL that we promise to work with. */
const folder = process.env.LASTGOOD_TEST_POSTGRES_15 ?? "/usr/lib/postgresql/15/bin";

/** Why tests on it are skipped here; false when they run. Where servers are required, they always run. */
export const postgres15Missing =
  process.env.LASTGOOD_REQUIRE_SERVERS !== "1" && !existsSync(join(folder, "postgres"))
    ? `PostgreSQL 15 is not in ${folder} (apt-get install postgresql-15)`
    : false;

export interface OtherPostgres extends AsyncDisposable {
  /** As the role `lastgood`, which owns the database and is no superuser. */
  readonly url: string;
}

/** A PostgreSQL 15 as somebody else would run it for us: our role has one database and nothing more. */
export async function startPostgres15(): Promise<OtherPostgres> {
  const account = await unprivilegedAccount();
  const ids = account === null ? {} : { uid: account.uid, gid: account.gid };
  const home = await mkdtemp(join(tmpdir(), "lastgood-pg15-"));
  await chmod(home, 0o755);
  const [data, secret] = [join(home, "data"), join(home, "secret")];
  await mkdir(data, { mode: 0o700 });
  await writeFile(secret, "owner");
  if (account !== null) await chown(data, account.uid, account.gid);
  const options = { cwd: data, stdio: "ignore", ...ids } as const;
  const initdb = spawn(
    join(folder, "initdb"),
    [
      "-D",
      data,
      "-U",
      "owner",
      "--pwfile",
      secret,
      "-A",
      "scram-sha-256",
      "-E",
      "UTF8",
      "--locale=C",
    ],
    options,
  );
  const [code] = await once(initdb, "exit");
  if (code !== 0) throw new Error(`initdb of PostgreSQL 15 ended with ${code}`);
  const port = await freePort();
  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"];
  const server = spawn(
    join(folder, "postgres"),
    ["-D", data, "-p", String(port), ...settings.flatMap((each) => ["-c", each])],
    options,
  );
  const owner = openDatabase(`postgres://owner:owner@127.0.0.1:${port}/postgres`, { max: 1 });
  await until("PostgreSQL 15", () => owner`select 1`.catch(() => null));
  await owner`create role lastgood login password 'secret'`;
  await owner`create database lastgood owner lastgood`;
  await owner.end();
  return {
    url: `postgres://lastgood:secret@127.0.0.1:${port}/lastgood`,
    async [Symbol.asyncDispose]() {
      server.kill("SIGINT");
      await once(server, "exit");
      await rm(home, { recursive: true, force: true });
    },
  };
}
