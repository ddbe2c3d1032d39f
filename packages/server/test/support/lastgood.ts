import { spawn } from "node:child_process";
import { resolve } from "node:path";

export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly tookMs: number;
}

export interface Typing {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** On its standard input. */
  readonly input?: string;
}

/** The command line, as it is installed. */
export const bin = resolve(import.meta.dirname, "../../bin/lastgood.js");
/** What `bin` starts Node again with, where it runs from sources and was not started with it. */
const flags = ["--conditions=development", "--disable-warning=ExperimentalWarning"];

/** Runs one command of the real command line to its end. */
export async function lastgood(
  args: readonly string[],
  { env = {}, cwd, input = "" }: Typing = {},
): Promise<Said> {
  const began = performance.now();
  const child = spawn(process.execPath, [...flags, bin, ...args], {
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    said.err += chunk.toString();
  });
  // One that ends before it has read all of it is judged by how it ended.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const code = await new Promise<number | null>((done) => child.once("close", done));
  return { ...said, code, tookMs: performance.now() - began };
}
