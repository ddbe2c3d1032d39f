import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { effectsOf, resumptionsOf } from "../../../../bench/peers/figures.ts";
import type { Line } from "../../../../bench/peers/said.ts";

const root = resolve(import.meta.dirname, "../../../..");

interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      { readonly license?: string; readonly hasInstallScript?: true; readonly resolved?: string }
    >
  >;
}

function packagesOf(file: string) {
  const { packages } = JSON.parse(readFileSync(join(root, file), "utf8")) as Lock;
  return Object.entries(packages);
}

test("what Lastgood is measured beside is installed in its own folder alone", () => {
  const ours = packagesOf("package-lock.json").map(([path]) => path);
  const found = ours.filter((path) => /node_modules\/(@dbos-inc|@langchain|langsmith)/.test(path));
  assert.deepEqual(found, []);
  const theirs = packagesOf("bench/peers/package-lock.json").map(([path]) => path);
  assert.ok(theirs.includes("node_modules/@dbos-inc/dbos-sdk"));
  assert.ok(theirs.includes("node_modules/@langchain/langgraph-checkpoint-postgres"));
});

test("no package of that folder runs a script, names an address, or has another licence than these", () => {
  const allowed = new Set(["MIT", "ISC", "Apache-2.0", "(MIT OR CC0-1.0)"]);
  const wrong = packagesOf("bench/peers/package-lock.json").filter(
    ([, { license = "none", hasInstallScript, resolved }]) =>
      hasInstallScript === true || resolved !== undefined || !allowed.has(license),
  );
  assert.deepEqual(wrong, []);
});

const said = (at: number, task: string): Line => ({ at, say: "acting", task, step: 1 });
const loaded = (at: number): Line => ({ at, say: "loaded" });

test("a process has resumed when it is at the task that was interrupted, and not at another", () => {
  const lives = [
    { startedAt: 0, killedAt: 100, lines: [loaded(10), said(20, "a"), said(90, "b")] },
    // Killed before it came so far: the next one still owes b, counted from the latest kill.
    { startedAt: 101, killedAt: 200, lines: [loaded(150)] },
    { startedAt: 201, killedAt: 400, lines: [loaded(250), said(300, "b"), said(350, "c")] },
    { startedAt: 401, killedAt: null, lines: [loaded(450), said(500, "d")] },
  ];
  assert.deepEqual(resumptionsOf({ lives }), [{ sinceKillMs: 100, sinceLoadedMs: 50 }]);
});

test("effects are told apart: given again, given again under another key, never given", () => {
  const thing = (name: string, kind: string, key: string) => ({
    ...{ at: "2026-01-01T00:00:00Z", body: "" },
    ...{ name, kind, key },
  });
  const given = [
    ...[thing("a", "step-1", "k1"), thing("a", "step-1", "k1")],
    ...[thing("a", "step-2", "k2"), thing("a", "step-2", "k3")],
    ...[thing("b", "step-1", "k4"), thing("somebody else's", "step-1", "k5")],
  ];
  assert.deepEqual(effectsOf(["a", "b"], given, 2), {
    ...{ wanted: 4, repeated: 2, repeatedUnderAnotherKey: 1 },
    ...{ lost: 1, lostNames: ["b step-2"] },
  });
});
