/** Two real server processes on one PostgreSQL, which can be killed, and stopped, and come back. */
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/free-port.ts";
import { createToken } from "../../src/http/tokens.ts";
import { type Db, openDatabase } from "../../src/store/database.ts";
import { type EmbeddedServer, startEmbedded } from "../../src/store/embedded.ts";
import { realWorld } from "../../src/world.ts";
import { testSettings } from "../support/database.ts";
import { makeReplica, type Replica } from "./replica.ts";

export interface Servers extends AsyncDisposable {
  readonly replicas: readonly [Replica, Replica];
  readonly db: Db;
  readonly postgres: { stop(): Promise<void>; start(): Promise<void> };
}

export async function startTwoServers(config: string): Promise<Servers> {
  const stage = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "lastgood-two-"));
  await chmod(folder, 0o755);
  stage.defer(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startPostgres(join(folder, "postgres"));
  stage.defer(() => postgres.end());
  const db = openDatabase(postgres.url, { max: 4 });
  stage.defer(() => db.end({ timeout: 2 }));
  const file = join(folder, "lastgood.yaml");
  await writeFile(file, config);
  const made: Replica[] = [];
  let token = "";
  for (const name of ["one", "two"]) {
    const replica = await makeReplica(join(folder, name), file, postgres.url, () => token);
    stage.defer(() => replica.kill());
    await replica.start();
    token ||= await createToken(db, realWorld, {
      ...{ role: "admin", name: "admin", agent: null, expiresAt: null },
    });
    made.push(replica);
  }
  const [one, two] = made;
  if (one === undefined || two === undefined) throw new Error("there are two");
  return {
    ...{ replicas: [one, two], db, postgres },
    [Symbol.asyncDispose]: () => stage.disposeAsync(),
  };
}

/** At one address, however often it is started anew. */
async function startPostgres(home: string) {
  let running: EmbeddedServer | null = null;
  const start = async () => {
    running ??= await startEmbedded({ home, settings: testSettings });
  };
  await start();
  const open = new Set<Socket>();
  const front = createServer((socket) => {
    const { port } = new URL((running as EmbeddedServer | null)?.url ?? "postgres://none:1");
    const behind = connect(Number(port), "127.0.0.1");
    for (const [from, to] of [
      [socket, behind],
      [behind, socket],
    ] as const) {
      open.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  const port = await freePort();
  front.listen(port, "127.0.0.1");
  await once(front, "listening");
  const url = new URL((running as EmbeddedServer | null)?.url ?? "");
  url.port = String(port);
  return {
    url: url.href,
    start,
    async stop() {
      await running?.stop();
      running = null;
    },
    async end() {
      front.close();
      for (const socket of open) socket.destroy();
      await running?.stop();
    },
  };
}
