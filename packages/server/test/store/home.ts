import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedServer, startEmbedded } from "../../src/store/embedded.ts";
import { stopPostmaster } from "../../src/store/postmaster.ts";

export interface TestHome extends AsyncDisposable {
  readonly path: string;
  /** Opens the embedded server in it: `await using server = await home.open()`. */
  open(): Promise<EmbeddedServer & AsyncDisposable>;
}

/** A home that does not exist yet. Whatever PostgreSQL still runs in it is ended with it. */
export async function makeHome(): Promise<TestHome> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-store-"));
  // Where the tests are root, the account that runs PostgreSQL must get past this folder.
  await chmod(folder, 0o755);
  const path = join(folder, "home");
  return {
    path,
    async open() {
      const server = await startEmbedded({ home: path });
      return Object.defineProperty(server, Symbol.asyncDispose, {
        value: () => server.stop(),
      }) as EmbeddedServer & AsyncDisposable;
    },
    async [Symbol.asyncDispose]() {
      const data = join(path, "data");
      const record = await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "");
      if (record !== "") await stopPostmaster(data, Number(record.split("\n")[0]));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
