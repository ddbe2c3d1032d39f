import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "../../../..");
const src = join(root, "packages/server/src");

/** The table in ARCHITECTURE.md: a room, and the rooms that it may import. */
function tableOf(markdown: string): Map<string, readonly string[]> {
  const rows = [...markdown.matchAll(/^\| `([\w/-]+)` \|[^|]*\| ([^|]*) \|$/gm)];
  return new Map(
    rows.map(([, room = "", may = ""]) => [
      room,
      [...may.matchAll(/`([\w/-]+)`/g)].map(([, each = ""]) => each),
    ]),
  );
}

/** `layers/code/x.ts` is of the room `layers/code`, `layers/layer.ts` of `layers`, `fault.ts` of `ground`. */
function roomOf(file: string): string {
  const parts = file.split("/");
  if (parts.length === 1) return parts[0] === "main.ts" ? "main" : "ground";
  return parts[0] === "layers" && parts.length > 2 ? `layers/${parts[1]}` : (parts[0] ?? "");
}

function sources(): readonly string[] {
  return readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
}

test("rooms import only what ARCHITECTURE.md lets them", () => {
  const table = tableOf(readFileSync(join(root, "ARCHITECTURE.md"), "utf8"));
  assert.ok(table.size > 10, "the table was not found");
  const illegal: string[] = [];
  for (const file of sources()) {
    const room = roomOf(file);
    const may = table.get(room);
    if (may === undefined) {
      illegal.push(`${file}: the room ${room} is not in the table`);
      continue;
    }
    for (const path of importsOf(join(src, file))) {
      const to = roomOf(relative(src, path));
      if (to !== room && to !== "ground" && !may.includes(to)) illegal.push(`${file} -> ${to}`);
    }
  }
  assert.deepEqual(illegal, []);
});

test("every room of the table exists, and allows nothing that nobody uses", () => {
  const table = tableOf(readFileSync(join(root, "ARCHITECTURE.md"), "utf8"));
  const used = new Map<string, Set<string>>();
  for (const file of sources()) {
    const rooms = used.get(roomOf(file)) ?? new Set();
    used.set(roomOf(file), rooms);
    for (const path of importsOf(join(src, file))) rooms.add(roomOf(relative(src, path)));
  }
  const stale = [...table].flatMap(([room, may]) =>
    used.has(room)
      ? may.filter((each) => !used.get(room)?.has(each)).map((each) => `${room} -> ${each}`)
      : [`${room} does not exist`],
  );
  assert.deepEqual(stale, []);
});

test("no file imports itself by way of others", () => {
  const packages = readdirSync(join(root, "packages"));
  const files = packages.flatMap((name) => {
    const folder = join(root, "packages", name, "src");
    if (!existsSync(folder)) return [];
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => /\.tsx?$/.test(file))
      .map((file) => join(folder, file));
  });
  assert.ok(files.length > 200, `${files.length} files were found`);
  const imports = new Map(files.map((file) => [file, importsOf(file)]));
  const cycles = files
    .map((file) => cycleThrough(imports, file))
    .filter((cycle) => cycle !== null)
    .map((cycle) => cycle.map((file) => relative(root, file)));
  assert.deepEqual(cycles, []);
});

/** Of values and of types alike, at once or when they are needed: what reads one file must not need all of them. */
function importsOf(file: string): readonly string[] {
  const found = readFileSync(file, "utf8").matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g);
  return [...found].map(([, path = ""]) => resolve(dirname(file), path));
}

/** A shortest way from the file back to it. */
function cycleThrough(
  imports: ReadonlyMap<string, readonly string[]>,
  file: string,
): readonly string[] | null {
  const seen = new Set<string>();
  const paths: (readonly string[])[] = [[file]];
  for (const path of paths) {
    for (const next of imports.get(path.at(-1) ?? "") ?? []) {
      if (next === file) return [...path, file];
      if (seen.has(next)) continue;
      seen.add(next);
      paths.push([...path, next]);
    }
  }
  return null;
}

test("pure files import no I/O", () => {
  const io =
    /from "(node:(fs|net|http|child_process|dgram|tls)[^"]*|postgres|fastify|@nats-io\/[^"]+)"/;
  const pure =
    /\/(plan|phases|authority|suspects|bisection|act-ladder|floor|late-onset|sustain|containment|check|post-mortem|markdown|change|graph|canonical)\.ts$/;
  const impure = sources()
    .filter((file) => pure.test(`/${file}`))
    .filter((file) => io.test(readFileSync(join(src, file), "utf8")));
  assert.deepEqual(impure, []);
});
