import type { WorkTreeReport } from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import type { Restored } from "../../work-trees/restore.ts";
import type { Undone } from "../../work-trees/undo.ts";
import type { GlobalOptions } from "../command.ts";
import { connect, defaultHome } from "../connect.ts";
import { createTerminal, type Terminal } from "../terminal.ts";

interface UndoFlags extends GlobalOptions {
  readonly session: string;
  readonly tree?: string;
  readonly to?: string;
  readonly later?: boolean;
  readonly dryRun?: boolean;
}

interface SessionFlags extends GlobalOptions {
  readonly session: string;
}

/** These work on this machine's disk; what they need of the room is loaded when they run. */
export function workTreesCommands(program: Command): void {
  undoCommand(program);
  const trees = program
    .command("work-tree")
    .summary("what agents have not committed: read, saved, restored")
    .description(
      "Looks at work trees on this machine, and at what was saved of them.\n\n" +
        "  lastgood work-tree show ./site\n" +
        "  lastgood work-tree saves --session sess_20261126_091500_marketing\n" +
        "  lastgood work-tree restore --session sess_20261126_091500_marketing ./site",
    );
  showCommand(trees);
  saveCommand(trees);
  savesCommand(trees);
  restoreCommand(trees);
}

function undoCommand(program: Command): void {
  program
    .command("undo")
    .argument("[paths...]", "only these files, and what is below these folders")
    .summary("take back what a session edited and did not commit")
    .description(
      "Puts the files of a work tree on this machine back to how the session found them, or to what it\n" +
        "committed of them. What was edited after the session's last save stays; what is committed stays.\n\n" +
        "  lastgood undo --session sess_20261126_091500_marketing --dry-run\n" +
        "  lastgood undo --session sess_20261126_091500_marketing posts/launch.md\n\n" +
        "The work tree is saved before, and the command that brings everything back is printed.",
    )
    .requiredOption("--session <id>", "whose edits")
    .option("--tree <folder>", "the work tree; default: the one that was saved for the session")
    .option("--to <save>", "go back to this save of the session (`lastgood work-tree saves`)")
    .option("--later", "also what was edited after the session's last save")
    .option("--dry-run", "say what would be done, and do nothing")
    .action(async (paths: string[], _: unknown, self: Command) => {
      const {
        session,
        tree,
        to,
        later = false,
        dryRun = false,
        ...flags
      } = self.optsWithGlobals<UndoFlags>();
      const terminal = createTerminal(flags.json === true);
      const { undoSession } = await import("../../work-trees/undo.ts");
      const work = undoSession({
        ...{ home: flags.home ?? defaultHome(), session, tree, to, paths, dryRun },
        ...{ base: process.cwd(), evenLater: later },
      });
      const undone = await terminal.progress("Taking edits back", work);
      terminal.result(undone);
      showUndone(terminal, undone);
    });
}

function showUndone(terminal: Terminal, undone: Undone): void {
  const { session, tree, files, left, before, lastSavedAt } = undone;
  terminal.table(
    ["FILE", before === null ? "WOULD BE" : "WAS"],
    files.map(({ path, what }) => [oneLine(path), what]),
  );
  if (files.length === 0) terminal.line(`Nothing of ${session} is to be taken back in ${tree}.`);
  if (left.length > 0) {
    terminal.line();
    terminal.table(
      ["LEFT AS IT IS", "BECAUSE"],
      left.map(({ path, because }) => [oneLine(path), because]),
    );
    terminal.line(
      `Its last save was made at ${lastSavedAt}. To take back later edits too: --later`,
    );
  }
  if (before !== null && files.length > 0) {
    terminal.line();
    terminal.line(
      `To have it all again:  lastgood undo --session ${session} --tree ${quoted(tree)} --to ${before.slice(0, 12)}`,
    );
  }
}

function showCommand(trees: Command): void {
  trees
    .command("show", { isDefault: true })
    .argument("[folder]", "its root", ".")
    .summary("what is not committed in a work tree")
    .description(
      "Reads a work tree on this machine. Nothing that it or its repository asks for is run.\n\n" +
        "  lastgood work-tree show ./site",
    )
    .action(async (folder: string, _: unknown, self: Command) => {
      const flags = self.optsWithGlobals<GlobalOptions>();
      const terminal = createTerminal(flags.json === true);
      const { readWorkTree } = await import("../../work-trees/read-work-tree.ts");
      const work = readWorkTree(folder, { home: flags.home ?? defaultHome() });
      const report = await terminal.progress(`Reading ${folder}`, work);
      terminal.result(report);
      showReport(terminal, report);
    });
}

function showReport(terminal: Terminal, report: WorkTreeReport): void {
  const { path, branch, head, files, more, leftovers, unread } = report;
  terminal.line(`${path} is on ${branch ?? "no branch"} at ${head?.slice(0, 12) ?? "no commit"}`);
  const figure = (value: number | null) => (value === null ? "" : String(value));
  terminal.table(
    ["STATUS", "WORDS", "NEW", "FILE"],
    files.map((file) => [
      file.kind === "file" ? file.status : `${file.status} ${file.kind}`,
      figure(file.words),
      figure(file.newWords),
      oneLine(file.path),
    ]),
  );
  if (files.length === 0) terminal.line("Everything is committed.");
  if (more > 0) terminal.line(`and ${more} more.`);
  for (const each of leftovers) terminal.line(`left behind: ${each}`);
  for (const each of unread) terminal.line(`not read: ${oneLine(each)}`);
}

function saveCommand(trees: Command): void {
  trees
    .command("save")
    .argument("[folder]", "its root", ".")
    .requiredOption("--session <id>", "in whose name")
    .option("--start", "this is how the session finds it: what its edits are taken back to")
    .option("--here", "on this machine alone; without it the server gets it as well")
    .summary("save a work tree as it is")
    .description(
      "Saves a work tree once; `lastgood agent run` does it by itself.\n\n" +
        "  lastgood work-tree save --session sess_20261126_091500_marketing ./site",
    )
    .action(async (folder: string, _: unknown, self: Command) => {
      const flags = self.optsWithGlobals<SessionFlags & { start?: boolean; here?: boolean }>();
      const terminal = createTerminal(flags.json === true);
      const { saveOnce } = await import("../../work-trees/save-once.ts");
      const work = saveOnce(folder, {
        ...{ home: flags.home ?? defaultHome(), session: flags.session },
        kind: flags.start === true ? "start" : "change",
        client: flags.here === true ? null : connect(flags),
      });
      const { save, isNew, sent } = await terminal.progress(`Saving ${folder}`, work);
      terminal.result({ save: save.id, kind: save.kind, savedAt: save.at, isNew, sent });
      const what = isNew ? "saved" : "has not changed since it was saved";
      terminal.line(`${folder} ${what} as ${save.id.slice(0, 12)}.`);
    });
}

function savesCommand(trees: Command): void {
  trees
    .command("saves")
    .requiredOption("--session <id>", "of which session")
    .summary("what was saved of a session on this machine")
    .description(
      "Lists the saves of a session, newest first: each is a place to go back to.\n\n" +
        "  lastgood work-tree saves --session sess_20261126_091500_marketing",
    )
    .action(async (_: unknown, self: Command) => {
      const flags = self.optsWithGlobals<SessionFlags>();
      const terminal = createTerminal(flags.json === true);
      const { savesOfSession } = await import("../../work-trees/save-once.ts");
      const found = await savesOfSession(flags.home ?? defaultHome(), flags.session);
      if (found.length === 0) throw notSavedHere(flags.session);
      const saves = found.flatMap(({ tree, saves: all }) =>
        all.map((each) => ({ ...each, workTree: tree })),
      );
      terminal.result({ saves });
      terminal.table(
        ["SAVE", "AT", "WHY", "ON", "WORK TREE"],
        saves.map(({ id, at, kind, branch, head, workTree }) => [
          id.slice(0, 12),
          at.toISOString(),
          kind,
          `${branch ?? ""} ${head?.slice(0, 12) ?? ""}`.trim(),
          workTree,
        ]),
      );
    });
}

function notSavedHere(session: string): Fault {
  return new Fault(
    "not_found",
    `No work tree of ${session} was saved on this machine: run this as the account that the agent works as, or restore it with \`lastgood work-tree restore\`.`,
  );
}

function restoreCommand(trees: Command): void {
  trees
    .command("restore")
    .argument("<folder>", "an empty one, or a fresh clone")
    .requiredOption("--session <id>", "whose work tree")
    .summary("put a saved work tree into an empty folder or a fresh clone")
    .description(
      "Brings back what a session had not committed, and the commits that no remote had, when its disk is\n" +
        "gone. In a clone, what differs from its last commit is not overwritten.\n\n" +
        "  lastgood work-tree restore --session sess_20261126_091500_marketing ./site",
    )
    .action(async (folder: string, _: unknown, self: Command) => {
      const flags = self.optsWithGlobals<SessionFlags>();
      const terminal = createTerminal(flags.json === true);
      const { restoreWorkTree } = await import("../../work-trees/restore.ts");
      const work = restoreWorkTree({
        ...{ home: flags.home ?? defaultHome(), session: flags.session, folder },
        client: { workTreeBundle: async (...args) => await connect(flags).workTreeBundle(...args) },
      });
      const restored = await terminal.progress("Restoring", work);
      terminal.result(restored);
      showRestored(terminal, restored);
    });
}

function showRestored(terminal: Terminal, restored: Restored): void {
  const { folder, files, left, commits, savedAt, from } = restored;
  terminal.line(`${folder} is as it was saved at ${savedAt}, from ${from}: ${files.length} files.`);
  if (commits.kind === "moved") {
    terminal.line(`${commits.branch} stands on ${commits.ids.length} commits that no remote had.`);
  } else if (commits.kind === "apart") {
    terminal.line(`Its commits are under ${commits.ref}: merge or rebase them onto the branch.`);
  } else if (commits.kind === "failed") {
    terminal.line(`Its commits were not brought back: ${commits.because}.`);
  }
  terminal.table(
    ["NOT RESTORED", "BECAUSE"],
    left.map(({ path, because }) => [oneLine(path), because]),
  );
}

const oneLine = (text: string) => text.replace(/\p{Cc}/gu, "?");

const quoted = (path: string) =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
