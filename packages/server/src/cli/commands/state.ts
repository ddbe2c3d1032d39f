import { readFileSync } from "node:fs";
import type {
  ChainVerification,
  DocumentChangeSet,
  DocumentDifference,
  DocumentRevertResult,
  DocumentWrite,
  JsonValue,
} from "@lastgood/sdk";
import type { Command } from "commander";
import { Fault } from "../../fault.ts";
import { withServer } from "../command.ts";
import type { Terminal } from "../terminal.ts";

interface WriteOptions extends DocumentWrite {
  readonly json?: boolean;
}

export function stateCommands(program: Command): void {
  const state = program
    .command("state")
    .summary("documents that agents share: versions, history, restore, revert")
    .description(
      "Versioned documents, each named `collection/id`.\n\n" +
        "  lastgood state history permissions/site\n" +
        "  lastgood state revert --task T-418 --preview",
    );
  reading(state);
  writing(state);
  reverting(state);
  verifying(state);
}

function reading(state: Command): void {
  state
    .command("list <collection>")
    .summary("the documents of a collection")
    .option("--removed", "also those that were removed")
    .action(
      withServer<{ removed?: boolean }, [string]>(
        async ({ client, terminal }, { removed = false }, collection) => {
          const page = await client.documents(collection, { removed, limit: 1_000 });
          terminal.result(page);
          terminal.table(
            ["ID", "VERSION", "AT", ""],
            page.documents.map((each) => [
              each.id,
              String(each.version),
              each.at,
              each.removed ? "removed" : "",
            ]),
          );
          if (page.documents.length === 0) terminal.line(`No document in ${collection}.`);
          if (page.more) terminal.line("There are more than these 1,000.");
        },
      ),
    );

  state
    .command("get <document>")
    .summary("print a document, also as it was")
    .description("Prints a document's body.\n\n  lastgood state get permissions/site --at 2h")
    .option("--version <n>", "this version", Number)
    .option("--at <when>", "as of an ISO time, or a span back from now such as 2h")
    .action(
      withServer<{ version?: number; at?: string }, [string]>(
        async ({ client, terminal }, options, document) => {
          const { version, at } = options;
          const found = await client.getDocument(...nameOf(document), {
            ...(version !== undefined && { version }),
            ...(at !== undefined && { at }),
          });
          terminal.result(found);
          if (found.holds === "body") terminal.line(JSON.stringify(found.body, null, 2));
          else terminal.line(`${document} version ${found.version} is ${found.holds}.`);
        },
      ),
    );

  state
    .command("history <document>")
    .summary("who wrote it, when and why")
    .option("--limit <n>", "at most this many", Number, 50)
    .action(
      withServer<{ limit: number }, [string]>(async ({ client, terminal }, { limit }, document) => {
        const page = await client.documentHistory(...nameOf(document), { limit });
        terminal.result(page);
        terminal.table(
          ["VERSION", "AT", "WHAT", "AGENT", "TASK", "WHY"],
          page.versions.map((each) => [
            String(each.version),
            each.at,
            each.holds === "erased" ? `${each.operation} (erased)` : each.operation,
            each.agent,
            each.task ?? "",
            each.reason.slice(0, 80),
          ]),
        );
        if (page.more) terminal.line("There are older ones: raise --limit.");
      }),
    );

  state
    .command("diff <document>")
    .summary("what differs between two versions")
    .description(
      "By default what the latest version changed.\n\n" +
        "  lastgood state diff permissions/site --from 14 --to 16",
    )
    .option("--from <n>", "from this version", Number)
    .option("--to <n>", "to this version", Number)
    .action(
      withServer<{ from?: number; to?: number }, [string]>(
        async ({ client, terminal }, { from, to }, document) => {
          const diff = await client.diffDocument(...nameOf(document), {
            ...(from !== undefined && { from }),
            ...(to !== undefined && { to }),
          });
          terminal.result(diff);
          terminal.line(`version ${diff.from.version} -> ${diff.to.version}, ${diff.to.agent}`);
          printDifferences(terminal, diff.differences);
          if (diff.differences.length === 0) terminal.line("Nothing differs.");
        },
      ),
    );
}

function writing(state: Command): void {
  authored(state.command("put <document> [body]"))
    .summary("write a document")
    .description(
      "Writes a JSON body: as an argument, from --file, or from standard input with --file -.\n\n" +
        `  lastgood state put permissions/site '{"publish": true}' --expect 14`,
    )
    .option("--file <path>", "read the body from this file; - is standard input")
    .option("--derived-from <document...>", "documents that it was made from")
    .action(
      withServer<
        WriteOptions & { file?: string; derivedFrom?: string[] },
        [string, string | undefined]
      >(async ({ client, terminal }, options, document, text) => {
        const { derivedFrom } = options;
        const receipt = await client.putDocument(...nameOf(document), {
          ...writeOf(options),
          body: bodyOf(text, options.file),
          ...(derivedFrom !== undefined && { derivedFrom }),
        });
        terminal.result(receipt);
        terminal.line(`${document} is at version ${receipt.version}.`);
      }),
    );

  authored(state.command("remove <document>"))
    .summary("remove a document; its history stays")
    .action(
      withServer<WriteOptions, [string]>(async ({ client, terminal }, options, document) => {
        const receipt = await client.removeDocument(...nameOf(document), writeOf(options));
        terminal.result(receipt);
        terminal.line(`${document} was removed in version ${receipt.version}.`);
      }),
    );

  authored(state.command("restore <document>"))
    .summary("bring back a version, as a new one")
    .description(
      "Brings back a version, or what was in force at a time. Nothing is overwritten: it becomes a new version.\n\n" +
        "  lastgood state restore permissions/site --version 14",
    )
    .option("--version <n>", "bring back this version", Number)
    .option("--at <when>", "what was in force at an ISO time, or a span back from now such as 2h")
    .action(
      withServer<WriteOptions & { version?: number; at?: string }, [string]>(
        async ({ client, terminal }, options, document) => {
          const { version, at } = options;
          const restored = await client.restoreDocument(...nameOf(document), {
            ...writeOf(options),
            ...(version !== undefined && { version }),
            ...(at !== undefined && { at }),
          });
          terminal.result(restored);
          terminal.line(`${document} is at version ${restored.version}.`);
          for (const path of restored.kept) {
            terminal.line(`  ${path} keeps its newer value, because it is stricter.`);
          }
        },
      ),
    );

  authored(state.command("erase <document>"))
    .summary("erase every body it ever had (cannot be taken back)")
    .description("Removes a document's content from all its versions. The chain stays whole.")
    .requiredOption("--yes", "really: this cannot be taken back")
    .action(
      withServer<WriteOptions, [string]>(async ({ client, terminal }, options, document) => {
        const receipt = await client.eraseDocument(...nameOf(document), writeOf(options));
        terminal.result(receipt);
        terminal.line(`Every body of ${document} before version ${receipt.version} is erased.`);
      }),
    );
}

function reverting(state: Command): void {
  state
    .command("revert")
    .summary("take back what a task, an agent or changes wrote")
    .description(
      "Takes a change-set back from every document that it touched, keeping what others wrote since.\n\n" +
        "  lastgood state revert --agent marketing --since 2h --preview",
    )
    .option("--task <id>", "everything that this task wrote")
    .option("--agent <name>", "everything that this agent wrote; needs --since")
    .option("--since <when>", "from an ISO time, or a span back from now such as 2h")
    .option("--until <when>", "up to then")
    .option("--change <id...>", "what these changes wrote")
    .option("--preview", "show what it would do, and write nothing")
    .option("--with-derived", "also take back what was made from these documents")
    .option("--leave-conflicts", "leave documents in conflict as they are")
    .option("--reason <text>", "why")
    .action(
      withServer<RevertOptions, []>(async ({ client, terminal }, options) => {
        const { preview, withDerived, leaveConflicts, reason } = options;
        const result = await client.revertDocuments({
          set: setOf(options),
          ...(preview !== undefined && { preview }),
          ...(withDerived !== undefined && { withDerived }),
          ...(leaveConflicts !== undefined && { leaveConflicts }),
          ...(reason !== undefined && { reason }),
        });
        terminal.result(result);
        printRevert(terminal, result, preview === true);
      }),
    );
}

interface RevertOptions extends DocumentChangeSet {
  readonly change?: readonly string[];
  readonly preview?: boolean;
  readonly withDerived?: boolean;
  readonly leaveConflicts?: boolean;
  readonly reason?: string;
}

function setOf({ task, agent, since, until, change }: RevertOptions): DocumentChangeSet {
  return {
    ...(task !== undefined && { task }),
    ...(agent !== undefined && { agent }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(change !== undefined && { changes: change }),
  };
}

function verifying(state: Command): void {
  state
    .command("verify [document]")
    .summary("check the hash chains, of one document or of all")
    .description("Exits 7 when a chain is broken, and names the first bad version and why.")
    .action(
      withServer<object, [string | undefined]>(async ({ client, terminal }, _, document) => {
        const report =
          document === undefined
            ? await terminal.progress("verifying all chains", client.verifyDocuments())
            : await client.verifyDocument(...nameOf(document));
        if (report.broken.length > 0) throw brokenChains(report);
        terminal.result(report);
        terminal.line(
          `${report.versions} versions of ${report.documents} documents are whole` +
            (report.erased > 0 ? `; the bodies of ${report.erased} are erased.` : "."),
        );
      }),
    );
}

function brokenChains({ broken }: ChainVerification): Fault {
  const lines = broken.map((each) => `${each.collection}/${each.id} ${each.version}: ${each.why}`);
  return new Fault(
    "chain_broken",
    `${broken.length} chains are broken:\n  ${lines.slice(0, 20).join("\n  ")}\nCompare with a backup before you write to them.`,
    { context: { broken } },
  );
}

function authored(command: Command): Command {
  return command
    .option("--expect <n>", "only on top of this version; 0: only if there is none", Number)
    .option("--agent <name>", "whose write it is, where the token is not an agent's")
    .option("--task <id>", "for this task")
    .option("--session <id>", "in this session")
    .option("--reason <text>", "why");
}

function writeOf({ expect, agent, task, session, reason }: WriteOptions): DocumentWrite {
  return {
    ...(expect !== undefined && { expect }),
    ...(agent !== undefined && { agent }),
    ...(task !== undefined && { task }),
    ...(session !== undefined && { session }),
    ...(reason !== undefined && { reason }),
  };
}

function nameOf(document: string): [string, string] {
  const slash = document.indexOf("/");
  if (slash > 0) return [document.slice(0, slash), document.slice(slash + 1)];
  throw new Fault("bad_input", `"${document}" is not a document: write collection/id.`, {
    context: { path: "document" },
  });
}

function bodyOf(text: string | undefined, file: string | undefined): JsonValue {
  const source =
    text ?? (file === undefined ? undefined : readFileSync(file === "-" ? 0 : file, "utf8"));
  if (source === undefined) {
    throw new Fault("bad_input", "There is no body: give it as an argument, or with --file.", {
      context: { path: "body" },
    });
  }
  try {
    return JSON.parse(source) as JsonValue;
  } catch (cause) {
    throw new Fault("bad_input", `The body is not JSON: ${String(cause).slice(0, 200)}`, {
      cause,
      context: { path: "body" },
    });
  }
}

function printDifferences(terminal: Terminal, all: readonly DocumentDifference[]): void {
  const text = (value: JsonValue) => JSON.stringify(value).slice(0, 60);
  for (const each of all) {
    const place = each.path === "" ? "(all)" : each.path;
    if (each.op !== "add") terminal.line(terminal.ink("red", `  - ${place} ${text(each.was)}`));
    if (each.op !== "remove")
      terminal.line(terminal.ink("green", `  + ${place} ${text(each.value)}`));
  }
}

function printRevert(terminal: Terminal, result: DocumentRevertResult, preview: boolean): void {
  for (const each of result.documents) {
    const what = each.restores === null ? "" : `, back to version ${each.restores}`;
    terminal.line(`${each.outcome.padEnd(9)} ${each.collection}/${each.id}${what}`);
    printDifferences(terminal, each.differences);
    for (const { path, because } of each.conflicts) {
      terminal.line(`  ! ${path === "" ? "(all)" : path} ${because}`);
    }
    for (const path of each.kept) {
      terminal.line(`  ${path} keeps its newer value, because it is stricter.`);
    }
  }
  for (const each of result.derived) {
    terminal.line(`derived   ${each.collection}/${each.id} from ${each.source}, left as it is`);
  }
  if (preview) terminal.line("Nothing was written.");
  else if (result.change === null) terminal.line("There was nothing to write.");
  else terminal.line(`Done as change ${result.change}.`);
}
