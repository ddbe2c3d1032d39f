/**
 * A save on its way from one machine to another: a git bundle of exactly two refs, the save and its report.
 * `git bundle verify` and `git fetch` understand it as well.
 */
import { Fault } from "../fault.ts";
import type { Git } from "../git/git.ts";
import { isObjectId } from "../git/remote.ts";

export const bundleBytesMax = 67_108_864;
export const bundledSave = "refs/lastgood/save";
export const bundledReport = "refs/lastgood/report";

export interface Bundle {
  readonly save: string;
  readonly report: string;
  /** Commits that the other side must hold already. */
  readonly standsOn: readonly string[];
}

export interface ParsedBundle extends Bundle {
  /** Where the pack begins. */
  readonly packAt: number;
}

interface Repository {
  readonly git: Git;
  readonly directory: string;
}

/** `too_large` for one of more than `bytesMax`. */
export async function createBundle(
  { git, directory }: Repository,
  { save, report, standsOn }: Bundle,
  signal: AbortSignal,
  bytesMax: number = bundleBytesMax,
): Promise<Uint8Array<ArrayBuffer>> {
  const held = await treesOf({ git, directory }, standsOn, signal);
  const wanted = [save, report, ...[...standsOn, ...held].map((id) => `^${id}`)];
  const args = ["pack-objects", "--revs", "--thin", "--stdout", "--delta-base-offset", "-q"];
  const pack = await git.run(args, {
    directory,
    signal,
    stdin: `${wanted.join("\n")}\n`,
    bytesMax,
    deadlineMs: 120_000,
  });
  const header = Buffer.from(
    [
      save.length === 64 ? "# v3 git bundle\n@object-format=sha256" : "# v2 git bundle",
      ...standsOn.map((id) => `-${id}`),
      `${save} ${bundledSave}`,
      `${report} ${bundledReport}`,
      "\n",
    ].join("\n"),
  );
  if (header.length + pack.stdout.length > bytesMax) throw tooLarge();
  const bundle = new Uint8Array(header.length + pack.stdout.length);
  bundle.set(header);
  bundle.set(pack.stdout, header.length);
  return bundle;
}

/**
 * Of the commits and of those that they stand on. Git leaves out by itself only what a commit has that the
 * new one descends from, and a session's first save descends from none.
 */
async function treesOf(
  { git, directory }: Repository,
  commits: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (commits.length === 0) return [];
  const own = { directory, signal };
  const list = async (format: string, ids: readonly string[]) =>
    (await git.text(["log", "--no-walk", `--format=${format}`, "--end-of-options", ...ids], own))
      .split(/\s+/)
      .filter((each) => each !== "");
  const parents = await list("%P", commits);
  return [...new Set(await list("%T", [...commits, ...parents]))];
}

function tooLarge(): Fault {
  return new Fault(
    "too_large",
    `The work tree has more than ${bundleBytesMax / 1_048_576} MiB that the server does not hold: let git ignore what need not be saved.`,
  );
}

const headerBytesMax = 16_384;
const standsOnMax = 100;

/** `bad_input` for anything else than what `createBundle` makes. */
export function parseBundle(bytes: Buffer): ParsedBundle {
  const end = bytes.subarray(0, headerBytesMax).indexOf("\n\n");
  const lines = end === -1 ? [] : bytes.toString("latin1", 0, end).split("\n");
  const refs = new Map<string, string>();
  const standsOn: string[] = [];
  for (const line of lines.slice(lines[0]?.startsWith("# v3") ? 2 : 1)) {
    const [, before = "", id = "", ref = ""] = /^(-?)([0-9a-f]+)(?: (.*))?$/.exec(line) ?? [];
    if (!isObjectId(id)) throw notABundle();
    if (before === "-") standsOn.push(id);
    else refs.set(ref, id);
  }
  const [save, report] = [refs.get(bundledSave), refs.get(bundledReport)];
  const isKnown = /^# v2 git bundle$|^# v3 git bundle\n@object-format=sha256$/.test(
    lines.slice(0, lines[0]?.startsWith("# v3") ? 2 : 1).join("\n"),
  );
  if (!isKnown || save === undefined || report === undefined || refs.size !== 2) throw notABundle();
  if (standsOn.length > standsOnMax || bytes.toString("latin1", end + 2, end + 6) !== "PACK") {
    throw notABundle();
  }
  return { save, report, standsOn, packAt: end + 2 };
}

function notABundle(): Fault {
  return new Fault(
    "bad_input",
    `This is no git bundle of ${bundledSave} and ${bundledReport} that stands on at most ${standsOnMax} commits: send what \`lastgood agent run\` sends.`,
    { context: { path: "body" } },
  );
}
