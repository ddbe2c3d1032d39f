import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import type { RepositoryName } from "../ids.ts";
import { type CodeMirror, openMirror } from "./bare-mirror.ts";
import { sweepRepositories } from "./bare-repository.ts";
import { createGit, type Git } from "./git.ts";
import type { Mirrors } from "./mirror.ts";
import { type MirrorSource, parseRemote, type Remote, requireBranch } from "./remote.ts";

/** What a mirror is made from, as configured or registered. */
export interface RemoteSettings {
  readonly name: string;
  readonly url: string;
  readonly branch: string;
  /** The environment variable that holds `token`, or `user:token`. */
  readonly credentials?: string | undefined;
}

export interface CodeMirrors extends Mirrors {
  of(repository: string): Promise<CodeMirror>;
  readonly git: Git;
}

export interface MirrorsDeps {
  readonly home: string;
  /** Relative paths of repositories start here. */
  readonly base: string;
  /** `not_found` for a repository that is not registered. */
  settingsOf(repository: string): Promise<RemoteSettings>;
}

/** Opens the bare repositories under `<home>/repositories`, each once. */
export async function createMirrors({ home, base, settingsOf }: MirrorsDeps): Promise<CodeMirrors> {
  const folder = join(home, "repositories");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await sweepRepositories(folder);
  const git = createGit(folder);
  const askPass = join(folder, "ask-pass");
  await writeFile(askPass, askPassScript, { mode: 0o700 });
  const open = new Map<string, { key: string; mirror: CodeMirror }>();
  return {
    git,
    async of(repository) {
      const settings = await settingsOf(repository);
      const key = JSON.stringify([settings.url, settings.branch, settings.credentials ?? null]);
      const known = open.get(repository);
      if (known?.key === key) return known.mirror;
      const mirror = openMirror(git, folder, sourceOf(settings, base, askPass));
      open.set(repository, { key, mirror });
      return mirror;
    },
  };
}

/** `bad_configuration` and `bad_input` for settings that no mirror can be made from. */
export function sourceOf(settings: RemoteSettings, base: string, askPass: string): MirrorSource {
  const remote = parseRemote(settings.url, base);
  return {
    name: settings.name as RepositoryName,
    remote,
    branch: requireBranch(settings.branch),
    access: accessTo(remote, settings, askPass),
  };
}

/** The secret travels by the environment of git alone, and is asked for by a script of ours. */
function accessTo(
  remote: Remote,
  { name, credentials }: RemoteSettings,
  askPass: string,
): Record<string, string> {
  if (credentials === undefined || remote.kind === "local") return {};
  if (!remote.confidential) {
    throw new Fault(
      "bad_configuration",
      `The repository ${name} has credentials and an address that would send them unencrypted: use https or ssh.`,
    );
  }
  const secret = process.env[credentials];
  if (secret === undefined || secret === "") {
    throw new Fault(
      "bad_configuration",
      `The environment variable ${credentials}, named as credentials of the repository ${name}, is not set: set it and start again.`,
    );
  }
  const colon = secret.indexOf(":");
  return {
    GIT_ASKPASS: askPass,
    LASTGOOD_GIT_USER: colon === -1 ? "x-access-token" : secret.slice(0, colon),
    LASTGOOD_GIT_SECRET: secret.slice(colon + 1),
    // A redirect to another host would be asked for the secret too.
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "http.followRedirects",
    GIT_CONFIG_VALUE_0: "false",
  };
}

const askPassScript = `#!/bin/sh
case "$1" in
  Username*) printf '%s\\n' "$LASTGOOD_GIT_USER" ;;
  *) printf '%s\\n' "$LASTGOOD_GIT_SECRET" ;;
esac
`;
