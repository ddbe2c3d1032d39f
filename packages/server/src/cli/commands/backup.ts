import type { Command } from "commander";
import type { GlobalOptions } from "../command.ts";
import { defaultHome } from "../connect.ts";
import type { StorePlace } from "../store-place.ts";
import { createTerminal, type Terminal } from "../terminal.ts";

export function backupCommands(program: Command): void {
  program
    .command("backup <folder>")
    .summary("copy everything in the database into a new folder")
    .description(
      "Copies every table as one moment saw it, while the server works or while it is stopped. The folder\n" +
        "holds the digests of tokens and whatever your agents wrote: keep it as you keep the database.\n\n" +
        "  lastgood backup /backups/2026-11-21\n" +
        "  DATABASE_URL=postgres://lastgood@db.internal/lastgood lastgood backup ./now",
    )
    .action(async (folder: string, _: unknown, command: Command) => {
      const { place, terminal } = placeOf(command);
      const { backUp } = await import("../backup-and-restore.ts");
      const manifest = await terminal.progress("Backing up", backUp(place, folder));
      const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
      terminal.result({ folder, rows, manifest });
      terminal.line(`${folder}: ${rows} rows of ${manifest.tables.length} tables.`);
      terminal.line(`Try it where it harms nobody: lastgood restore ${folder} --home ./rehearsal`);
    });

  program
    .command("restore <folder>")
    .summary("put a backup into an empty database")
    .description(
      "Reads a backup through, checks every digest and every chain, and puts all of it or nothing into an\n" +
        "empty database: that of a fresh --home, or DATABASE_URL's. Tokens of then work again; the home's own\n" +
        "is made anew at the next start.\n\n" +
        "  lastgood restore /backups/2026-11-21 --home /srv/lastgood",
    )
    .action(async (folder: string, _: unknown, command: Command) => {
      const { place, terminal } = placeOf(command);
      const { restoreFrom } = await import("../backup-and-restore.ts");
      const manifest = await terminal.progress("Restoring", restoreFrom(place, folder));
      const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
      terminal.result({ folder, rows, madeAt: manifest.madeAt });
      terminal.line(`${rows} rows are back as they were at ${manifest.madeAt}; every chain holds.`);
      terminal.line("Start the server on it: lastgood start");
    });
}

function placeOf(command: Command): { place: StorePlace; terminal: Terminal } {
  const options = command.optsWithGlobals<GlobalOptions>();
  return {
    place: {
      home: options.home ?? defaultHome(),
      databaseUrl: process.env.DATABASE_URL ?? null,
    },
    terminal: createTerminal(options.json === true),
  };
}
