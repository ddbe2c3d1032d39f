/** Reads the migrator's table in the service's own database, and runs a migration's own down. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import type { Mirror } from "../../git/mirror.ts";
import { openPool } from "../../store/driver.ts";
import type { MigrationFile, MigrationsConfig, MigratorRows } from "./migrations.ts";

const rowsMax = 100_000;

/** `layer_unreachable` where the database or its table cannot be read. */
export async function readMigrator({ database, table }: MigrationsConfig): Promise<MigratorRows> {
  const url = database === undefined ? undefined : process.env[database];
  if (url === undefined || url === "") {
    throw new Fault(
      "layer_unreachable",
      database === undefined
        ? "`migrations.database` does not name the variable that holds the database's URL"
        : `the environment variable ${database} is not set`,
    );
  }
  const connection = openPool(url, {
    max: 1,
    connect_timeout: 5,
    idle_timeout: 1,
    onnotice: () => {},
    connection: { application_name: "lastgood", statement_timeout: 5_000 },
  });
  try {
    const name = table.split(".");
    const [found] = await connection<{ there: boolean }[]>`
      select to_regclass(${name.map((part) => `"${part.replaceAll('"', '""')}"`).join(".")}) is not null as there`;
    // No table: this migrator has never run here.
    if (found?.there !== true) return [];
    return await connection`select * from ${connection(table)} limit ${rowsMax}`;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new Fault("layer_unreachable", `${table} cannot be read: ${said.slice(0, 300)}`, {
      cause,
    });
  } finally {
    await connection.end({ timeout: 1 });
  }
}

export interface DownRequest {
  readonly mirror: Mirror;
  /** The revision that still has the migration's file: its down is run in a checkout of it. */
  readonly revision: string;
  readonly migrations: readonly MigrationFile[];
  readonly config: MigrationsConfig;
}

/** Runs the down of each, in the order given. `state_forbids` with its output where one fails. */
export async function runDowns(request: DownRequest, signal: AbortSignal): Promise<void> {
  const { mirror, revision, migrations, config } = request;
  const folder = await mkdtemp(join(tmpdir(), "lastgood-down-"));
  try {
    const files = join(folder, "files");
    await mirror.checkout(revision, files, signal);
    for (const { path } of migrations) await runDown(config, path, files, signal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const downMsMax = 120_000;
const outputMax = 16_384;

async function runDown(
  { down = [], database }: MigrationsConfig,
  path: string,
  cwd: string,
  signal: AbortSignal,
): Promise<void> {
  const [program, ...args] = down;
  if (program === undefined) throw new Error("a down was planned without a command");
  const url = database === undefined ? undefined : process.env[database];
  signal.throwIfAborted();
  const child = spawn(program, [...args, path], {
    cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH ?? "",
      HOME: cwd,
      ...(url === undefined || database === undefined
        ? {}
        : { DATABASE_URL: url, [database]: url }),
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      output = (output + text).slice(-outputMax);
    });
  }
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(downMsMax)]);
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // The group has ended by itself.
    }
  };
  deadline.addEventListener("abort", kill, { once: true });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    signal.throwIfAborted();
    if (code === 0) return;
    throw new Fault(
      "state_forbids",
      `The down of migration ${path} ended with ${code ?? "its deadline"}: ${output.trim().slice(-500) || "it said nothing"}. Mend it and run the recovery again.`,
      { context: { migration: path, output } },
    );
  } finally {
    deadline.removeEventListener("abort", kill);
  }
}
