import { isAbsolute, resolve } from "node:path";
import { Fault } from "../fault.ts";
import type { RepositoryName } from "../ids.ts";

/** Where a repository is fetched from and pushed to, told apart by what its side may run. */
export type Remote =
  /** On this machine: git runs the other side too, with that repository's configuration. */
  | { readonly kind: "local"; readonly url: string; readonly path: string }
  | {
      readonly kind: "network";
      readonly url: string;
      /** Whether a secret may travel to it: encrypted, or this machine. */
      readonly confidential: boolean;
    };

/** What a mirror is a mirror of. */
export interface MirrorSource {
  readonly name: RepositoryName;
  readonly remote: Remote;
  readonly branch: string;
  /** What git needs to be let in, by its environment. */
  readonly access: Readonly<Record<string, string>>;
}

/**
 * Reads a URL or path as `repositories.<name>.url` states it; relative paths start at `base`.
 * `bad_configuration` for what git would run as a helper and for secrets in the URL.
 */
export function parseRemote(text: string, base: string): Remote {
  if (/[\0\n\r]/.test(text) || text.startsWith("-") || /^[\w+.-]+::/.test(text)) {
    throw refused(text, "it is neither a path nor a file, https, http, ssh or git URL");
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === "file") {
    const path = decodeURIComponent(new URL(text).pathname);
    return { kind: "local", url: `file://${path}`, path };
  }
  if (scheme !== undefined) return network(text, scheme);
  // `host:path` is ssh for git; a colon after a slash is part of a path.
  if (/^[^/]+:/.test(text)) return { kind: "network", url: text, confidential: true };
  const path = isAbsolute(text) ? resolve(text) : resolve(base, text);
  return { kind: "local", url: path, path };
}

const loopback = new Set(["localhost", "127.0.0.1", "[::1]"]);

function network(text: string, scheme: string): Remote {
  if (!["https", "http", "ssh", "git"].includes(scheme)) {
    throw refused(text, `the transport ${scheme} is not one of file, https, http, ssh, git`);
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null) throw refused(text, "it is not a URL");
  if (url.password !== "") {
    throw refused(
      `${url.protocol}//${url.host}`,
      "it holds a password: put that in an environment variable and name it in `credentials`",
    );
  }
  return {
    kind: "network",
    url: text,
    confidential: scheme === "https" || scheme === "ssh" || loopback.has(url.hostname),
  };
}

function refused(text: string, because: string): Fault {
  return new Fault(
    "bad_configuration",
    `The repository's url "${text.slice(0, 200)}" cannot be used: ${because}.`,
    { context: { path: "url" } },
  );
}

const refPattern = /^[A-Za-z0-9][\w./-]{0,200}$/;

/** A branch name that is safe in any argument; `bad_input` otherwise. */
export function requireBranch(name: string): string {
  const bad =
    !refPattern.test(name) ||
    name.includes("..") ||
    name.includes("//") ||
    name.endsWith("/") ||
    name.endsWith(".") ||
    name.split("/").some((part) => part.startsWith(".") || part.endsWith(".lock"));
  if (bad) {
    throw new Fault(
      "bad_input",
      `"${name.slice(0, 80)}" is not a branch name that Lastgood takes: letters, digits, and . _ / - inside.`,
      { context: { path: "branch" } },
    );
  }
  return name;
}

/** A full object id; `bad_input` otherwise. */
export function requireObjectId(text: string): string {
  if (!isObjectId(text)) {
    throw new Fault(
      "bad_input",
      `"${text.slice(0, 80)}" is not a commit's full id: 40 (or 64) hexadecimal digits.`,
    );
  }
  return text;
}

export function isObjectId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/**
 * How git starts its counterpart on this machine. `-c` is not passed on to it, and it would read the
 * other repository's configuration: so what that could run is switched off here.
 */
export const localUploadPack =
  "git -c safe.directory=* -c core.hooksPath=/dev/null -c core.fsmonitor=false " +
  "-c core.alternateRefsCommand=true upload-pack";

export const localReceivePack =
  "git -c safe.directory=* -c core.hooksPath=/dev/null -c core.fsmonitor=false " +
  "-c core.alternateRefsCommand=true -c receive.autogc=false -c gc.auto=0 " +
  "-c maintenance.auto=false -c receive.denyCurrentBranch=refuse receive-pack";
