import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { test } from "node:test";
import { fencesOf } from "../support/pasted.ts";

const root = resolve(import.meta.dirname, "../../../..");
const client = `declare const client: import("@lastgood/sdk").Lastgood;`;
const session = `declare const session: string;`;

/** What a page names that the reader has: their own functions, and what an earlier line of the page made. */
const names: Readonly<Record<string, string>> = {
  "docs/brief.md": `${client} ${session}`,
  "docs/checkpoints.md": `${client} ${session} declare const task: string, commit: string;`,
  "docs/effects.md": `${client} ${session}
    declare function send(mail: { to: string; idempotencyKey: string }): Promise<string>;
    declare function use(result: unknown): void;`,
  "docs/executions.md": `${client} declare const one: string, other: string;
    declare const releases: import("@lastgood/sdk").Releases;
    declare const order: { id: string; amount: number };
    declare function price(of: typeof order, spec: unknown): Promise<number>;
    declare function refund(of: typeof order, quote: number, spec: unknown): Promise<{ refunded: number }>;`,
  "docs/messages.md": `declare const token: string;
    declare function write(what: unknown): Promise<void>;
    declare function publish(what: unknown): Promise<void>;`,
  "docs/releases.md": `declare const user: { id: string }, question: { id: string }, text: string;
    declare function answer(content: unknown, version: string): void;`,
  "docs/sdk.md": `
    declare function publish(task: { id: string }, how: { idempotencyKey: string }): Promise<string>;
    declare function findPublished(id: string): Promise<{ result: string } | null>;`,
  "docs/signals.md": client,
  "docs/state.md": client,
  "docs/statistics.md": client,
  "docs/tasks.md": `${client} ${session}`,
};

/** One that no page may have: the compiler must refuse it, and nothing else. */
const broken = "docs/broken.md:1";
const brokenFence = `
  import { createClient } from "@lastgood/sdk";
  await createClient().brief("marketing", { sesion: "s" });`;

interface Program {
  /** Page and line. */
  readonly at: string;
  readonly text: string;
}

async function programs(): Promise<readonly Program[]> {
  const files = await readdir(join(root, "docs"), { recursive: true });
  const pages = files.filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`);
  const own = await Promise.all(
    ["README.md", ...pages].map(async (page) => {
      const lines = await readFile(join(root, page), "utf8");
      return fencesOf(page, "ts").map((text) => {
        const line = lines.slice(0, lines.indexOf(text)).split("\n").length;
        return { at: `${page}:${line}`, text: `${text}\n${names[page] ?? ""}` };
      });
    }),
  );
  return own.flat();
}

/** What the compiler says, each with the page and line of the fence that it says it of. */
async function compile(given: readonly Program[]): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), "lastgood-examples-"));
  try {
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    await writeFile(join(folder, "package.json"), `{ "type": "module" }`);
    // What a reader sees is no whole program: it may make what it does not use, and need not import anything.
    const files = given.map((_, index) => `${index}.ts`);
    const compilerOptions = { noEmit: true, noUnusedLocals: false, moduleDetection: "force" };
    const config = { extends: join(root, "tsconfig.base.json"), compilerOptions, files };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
    await Promise.all(given.map(({ text }, index) => writeFile(join(folder, `${index}.ts`), text)));
    const { code, said } = await tsc(["-p", folder, "--pretty", "false"], folder);
    const errors = said.split("\n").filter((line) => line.includes("error TS"));
    assert.equal(code !== 0, errors.length > 0, said);
    return errors.map((line) => {
      const [, file = "", what = ""] = /^(\S+?)\(\d+,\d+\): (.*)$/.exec(line) ?? [];
      return `${given[Number(basename(file, ".ts"))]?.at ?? file}: ${what || line}`;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function tsc(args: readonly string[], cwd: string): Promise<{ code: number; said: string }> {
  return await new Promise((done) => {
    const bin = join(root, "node_modules/.bin/tsc");
    execFile(bin, args, { cwd, timeout: 120_000 }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code ?? -1), said: stdout + stderr });
    });
  });
}

test("every example in TypeScript of README.md and docs compiles against the SDK, and one that is wrong would not", async () => {
  const found = await programs();
  assert.ok(found.length >= 14, `only ${found.length} examples were found`);
  const said = await compile([...found, { at: broken, text: brokenFence }]);
  const others = said.filter((line) => !line.startsWith(broken));
  assert.deepEqual(others, []);
  assert.equal(said.length, 1, said.join("\n"));
  assert.match(said[0] ?? "", /'sesion' does not exist/);
});
