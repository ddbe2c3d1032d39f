/**
 * `npm run bench`: runs every `*.bench.ts` here, one after the other, and prints one JSON object: what each
 * measured, and on what machine. `--only startup` runs one; `--short` lets those that can take less time. A goal that
 * was missed is said at the end, and the command exits 1.
 */
import { readdir } from "node:fs/promises";
import { arch, cpus, platform, totalmem } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { missedIn } from "./goals.ts";

export interface BenchOptions {
  /** Take less time, where the figure allows it. */
  readonly short: boolean;
}

/** What a `*.bench.ts` exports. Units stand last in the names of what it measures. */
export interface Bench {
  readonly name: string;
  run(options: BenchOptions): Promise<Record<string, number | object>>;
}

const { values } = parseArgs({
  options: { only: { type: "string", multiple: true }, short: { type: "boolean", default: false } },
});

const files = (await readdir(import.meta.dirname)).filter((file) => file.endsWith(".bench.ts"));
const names = files.map((file) => basename(file, ".bench.ts")).sort();
const wanted = values.only ?? names;
for (const name of wanted) {
  if (!names.includes(name)) {
    process.stderr.write(`There is no bench ${name}: take ${names.join(", ")}.\n`);
    process.exit(2);
  }
}

const results: Record<string, object> = {};
for (const name of wanted) {
  process.stderr.write(`${name} ...\n`);
  const bench: Bench = await import(join(import.meta.dirname, `${name}.bench.ts`));
  results[bench.name] = await bench.run({ short: values.short });
}
const machine = {
  ...{ platform: platform(), arch: arch(), node: process.version },
  cpus: cpus().length,
  cpu: cpus()[0]?.model ?? "unknown",
  memoryGb: Math.round(totalmem() / 2 ** 30),
};
process.stdout.write(
  `${JSON.stringify({ at: new Date().toISOString(), machine, ...results }, null, 2)}\n`,
);
const missed = missedIn(results);
for (const { figure, ratio } of missed) {
  process.stderr.write(`missed: ${figure} is ${ratio} of its goal\n`);
}
if (missed.length > 0) process.exitCode = 1;
