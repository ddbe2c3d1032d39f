import type { SourceFacts } from "./facts.ts";
import type { Tree } from "./tree.ts";

const sourceFile = /\.(?:[cm]?[jt]sx?|py|rb|go|rs|php|sh)$/;
const aside = /(^|\/)(tests?|__tests__|checks?|spec|examples?|docs?|scripts)\//;
const migrationFolder = /^(migrations|db\/migrations|db\/migrate|prisma\/migrations)\//;
const filesRead = 200;

/** What a service's files say of how it starts, is checked, and keeps its data. */
export async function readSource(tree: Tree): Promise<SourceFacts> {
  const paths = await tree.paths();
  const has = (path: string) => paths.includes(path);
  const manifest = parseManifest(await tree.read("package.json"));
  const schema = ["schema.sql", "db/schema.sql", "sql/schema.sql"].find(has) ?? null;
  const sources = paths.filter((path) => sourceFile.test(path) && !aside.test(path));
  let appliesSchema: string | null = null;
  let saysRevision: string | null = null;
  for (const path of sources.slice(0, filesRead)) {
    const text = (await tree.read(path)) ?? "";
    if (schema !== null && text.includes(fileOf(schema))) appliesSchema ??= path;
    if (/\bREVISION\b/.test(text) && /\brevision\b["']?\s*:/.test(text)) saysRevision ??= path;
  }
  return {
    scripts: manifest.scripts,
    installs: manifest.dependencies > 0,
    hasLockfile: has("package-lock.json"),
    schema,
    fixture: ["fixture.sql", "db/fixture.sql", "sql/fixture.sql"].find(has) ?? null,
    appliesSchema,
    saysRevision,
    migrations: migrationsIn(paths),
  };
}

function migrationsIn(paths: readonly string[]): string | null {
  const folder = paths.map((path) => migrationFolder.exec(path)?.[1]).find((each) => each);
  return folder === undefined ? null : `${folder}/**`;
}

function fileOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function parseManifest(text: string | null): {
  scripts: Readonly<Record<string, string>>;
  dependencies: number;
} {
  try {
    const manifest = JSON.parse(text ?? "{}") as Record<string, unknown>;
    const { scripts, dependencies } = manifest;
    return {
      scripts: Object.fromEntries(
        Object.entries(isRecord(scripts) ? scripts : {}).filter(
          (entry): entry is [string, string] => typeof entry[1] === "string",
        ),
      ),
      dependencies: isRecord(dependencies) ? Object.keys(dependencies).length : 0,
    };
  } catch {
    return { scripts: {}, dependencies: 0 };
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
