/** Any tree of files, links and names, and what is on disk of one: for properties. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";

/** Paths hold one byte per character. */
export type Disk = ReadonlyMap<string, DiskFile>;
export type DiskFile =
  | { readonly kind: "file"; readonly content: string; readonly runs: boolean }
  | { readonly kind: "link"; readonly target: string };

const name = fc
  .oneof(
    { weight: 3, arbitrary: fc.constantFrom("a", "b", "c", "docs", "post.md", "run") },
    fc.string({
      unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 12,
    }),
    fc.constantFrom(
      '"quoted"',
      "new\nline",
      "-rf",
      "\xff\xfe",
      " ",
      "\\",
      "é日",
      ".gitignored",
      "a b",
    ),
  )
  .map((text) => Buffer.from(text, /[^\0-\xff]/.test(text) ? "utf8" : "latin1").toString("latin1"))
  .filter((text) => !text.includes("/") && !/^\.+$/.test(text) && !/git/i.test(text));
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const bytes = fc.uint8Array({ maxLength: 200 }).map((all) => Buffer.from(all).toString("latin1"));
const text = fc
  .array(fc.constantFrom("one two\n", "three\n", "\n", "four"), { maxLength: 8 })
  .map((all) => all.join(""));
/** Objects like those that are read from the disk. */
const plain = { noNullPrototype: true } as const;
const file: fc.Arbitrary<DiskFile> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      {
        kind: fc.constant("file" as const),
        content: fc.oneof(bytes, text),
        runs: fc.boolean(),
      },
      plain,
    ),
  },
  fc.record(
    {
      kind: fc.constant("link" as const),
      target: fc.oneof(path, fc.constantFrom("..", "/etc/passwd", "no where", "\xff")),
    },
    plain,
  ),
);

/** A file is in no other file's place: of two that contradict, the first counts. */
export const anyTree: fc.Arbitrary<Disk> = fc
  .array(fc.tuple(path, file), { maxLength: 12 })
  .map((all) => {
    const tree = new Map<string, DiskFile>();
    for (const [at, each] of all) {
      const clashes = [...tree.keys()].some(
        (other) => other === at || other.startsWith(`${at}/`) || at.startsWith(`${other}/`),
      );
      if (!clashes) tree.set(at, each);
    }
    return tree;
  });

const whole = (folder: string, at: string) =>
  Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(at, "latin1")]);

/** Makes the folder hold exactly this, beside its `.git`. */
export function writeTree(folder: string, tree: Disk): void {
  for (const [at, file] of tree) {
    const target = whole(folder, at);
    mkdirSync(whole(folder, dirname(at)), { recursive: true });
    if (file.kind === "link") symlinkSync(Buffer.from(file.target, "latin1"), target);
    else {
      writeFileSync(target, Buffer.from(file.content, "latin1"));
      chmodSync(target, file.runs ? 0o755 : 0o644);
    }
  }
}

export function readTree(folder: string): Disk {
  const tree = new Map<string, DiskFile>();
  const walk = (at: string) => {
    for (const each of readdirSync(whole(folder, at), { encoding: "latin1" })) {
      const below = at === "" ? each : `${at}/${each}`;
      if (below === ".git") continue;
      const stats = lstatSync(whole(folder, below));
      if (stats.isDirectory()) walk(below);
      else if (stats.isSymbolicLink()) {
        const target = readlinkSync(whole(folder, below), "buffer").toString("latin1");
        tree.set(below, { kind: "link", target });
      } else {
        const content = readFileSync(whole(folder, below)).toString("latin1");
        tree.set(below, { kind: "file", content, runs: (stats.mode & 0o100) !== 0 });
      }
    }
  };
  walk("");
  return new Map([...tree].sort(([one], [other]) => (one < other ? -1 : 1)));
}

export const sorted = (tree: Disk): Disk =>
  new Map([...tree].sort(([one], [other]) => (one < other ? -1 : 1)));
