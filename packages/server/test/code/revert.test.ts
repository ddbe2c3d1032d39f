import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { CodeMirror } from "../../src/git/bare-mirror.ts";
import { createMirrors } from "../../src/git/open-mirrors.ts";
import { run, signal } from "./world.ts";

const files = ["a", "b", "c"];
const blocks = 4;
/** Unaltered lines around each block: edits of different blocks never touch. */
const fence = Array.from({ length: 8 }, (_, index) => `fence ${index}`).join("\n");

/** One commit: the block of a file that it rewrites. Text is unique to the commit. */
interface Edit {
  readonly file: number;
  readonly block: number;
}

function render(contents: readonly string[]): string {
  return contents.map((content) => `${fence}\n${content}\n${fence}\n`).join("");
}

/** The files after these edits; those whose index is in `without` never happened. */
function filesAfter(edits: readonly Edit[], without: ReadonlySet<number>): readonly string[] {
  return files.map((_, file) => {
    const contents = Array.from({ length: blocks }, (__, block) => `begin ${block}`);
    for (const [index, edit] of edits.entries()) {
      if (edit.file === file && !without.has(index)) contents[edit.block] = `text of ${index}`;
    }
    return render(contents);
  });
}

/** A branch of its own per history, in one bare repository, without touching any work tree. */
function writeHistory(url: string, branch: string, edits: readonly Edit[]): readonly string[] {
  const stream: string[] = [];
  for (let commit = 0; commit <= edits.length; commit++) {
    const contents = filesAfter(edits.slice(0, commit), new Set());
    stream.push(`commit refs/heads/${branch}\nmark :${commit + 1}`);
    stream.push(`committer A <a@b> ${1_700_000_000 + commit} +0000\ndata 1\nx`);
    if (commit > 0) stream.push(`from :${commit}`);
    for (const [index, content] of contents.entries()) {
      stream.push(`M 100644 inline ${files[index]}\ndata ${content.length}\n${content}`);
    }
  }
  execFileSync("git", ["fast-import", "--quiet"], { cwd: url, input: `${stream.join("\n")}\n` });
  return run(url, "rev-list", "--reverse", branch).split("\n").slice(1);
}

interface Ground extends Disposable {
  readonly url: string;
  mirrorOf(branch: string): Promise<CodeMirror>;
}

async function ground(): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), "lastgood-revert-"));
  const url = join(folder, "remote.git");
  mkdirSync(url);
  run(url, "init", "--quiet", "--bare");
  let branch = "main";
  const mirrors = await createMirrors({
    home: folder,
    base: folder,
    settingsOf: async (name) => ({ name, url, branch }),
  });
  return {
    url,
    async mirrorOf(wanted) {
      branch = wanted;
      const mirror = await mirrors.of("api");
      await mirror.fetch(signal);
      return mirror;
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The edits, which of them is undone, and whether the last one is undone with it. */
type History = [edits: Edit[], chosen: number, two: boolean];

const edit = fc.record({
  file: fc.nat({ max: files.length - 1 }),
  block: fc.nat({ max: blocks - 1 }),
});

/** Of the first of two edits, so that chance alone does not decide whether both outcomes are seen. */
const rewritten: History = [[edited(0, 0), edited(0, 0)], 0, false];
const untouched: History = [[edited(0, 0), edited(1, 0)], 0, false];

function edited(file: number, block: number): Edit {
  return { file, block };
}

test("a revert is the history without the commit, or a conflict with those who came later", async () => {
  using on = await ground();
  let runs = 0;
  const seen = { reverted: 0, conflicts: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(edit, { minLength: 1, maxLength: 8 }),
      fc.nat(),
      fc.boolean(),
      async (edits, chosen, two) => {
        const branch = `history-${runs++}`;
        const commits = writeHistory(on.url, branch, edits);
        const picked = [...new Set([chosen % edits.length, ...(two ? [edits.length - 1] : [])])];
        const undone = picked.sort((one, other) => other - one);
        const mirror = await on.mirrorOf(branch);
        const tip = (await mirror.tip()) ?? "";
        const revert = await mirror.computeRevert(
          {
            tip,
            commits: undone.map((index) => commits[index] ?? ""),
            at: new Date(0),
            message: () => "undo",
          },
          signal,
        );
        // A later edit of the same block that stays overlaps.
        const hit = undone.find((index) => laterOn(edits, index, new Set(undone)).length > 0);
        if (hit === undefined) {
          assert.equal(revert.kind, "reverted");
          if (revert.kind !== "reverted") return;
          seen.reverted += 1;
          for (const [index, content] of filesAfter(edits, new Set(undone)).entries()) {
            const read = await mirror.readFile(revert.commit, files[index] ?? "", 100_000);
            assert.equal(read?.toString(), content);
          }
          return;
        }
        assert.deepEqual(revert, {
          kind: "conflicts",
          commit: commits[hit],
          files: [files[edits[hit]?.file ?? 0]],
        });
        seen.conflicts += 1;
        const later = await mirror.touching(commits[hit] ?? "", tip, [
          files[edits[hit]?.file ?? 0] ?? "",
        ]);
        const ids = later.map(({ id }) => id);
        for (const index of laterOn(edits, hit, new Set(undone))) {
          assert.ok(ids.includes(commits[index] ?? ""));
        }
      },
    ),
    { numRuns: 15, examples: [rewritten, untouched] },
  );
  assert.ok(seen.reverted > 0 && seen.conflicts > 0, JSON.stringify(seen));
});

function laterOn(
  edits: readonly Edit[],
  index: number,
  undone: ReadonlySet<number>,
): readonly number[] {
  const own = edits[index];
  return [...edits.keys()].filter(
    (each) =>
      each > index &&
      !undone.has(each) &&
      edits[each]?.file === own?.file &&
      edits[each]?.block === own?.block,
  );
}
