/** Looks at a folder for `lastgood init`: reads, and changes nothing. */
import { mkdtemp, readdir, realpath, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import { Fault } from "../../fault.ts";
import { createGit, type Git } from "../../git/git.ts";
import { withoutPassword } from "../redact.ts";
import { type ComposeService, composeNames, readCompose } from "./compose.ts";
import type { AuthorFacts, FolderFacts, RepositoryFacts, ServiceFacts } from "./facts.ts";
import { asName, uniqueName } from "./names.ts";
import {
  type FoundRepository,
  findAround,
  findRepository,
  readHistory,
} from "./repository-facts.ts";
import { readSource } from "./source-facts.ts";
import { type Tree, treeAt, treeOnDisk } from "./tree.ts";

/** Faults `not_found` for what is no folder, `bad_input` for a compose file that cannot be read. */
export async function lookAt(given: string, signal: AbortSignal): Promise<FolderFacts> {
  const info = await stat(given).catch(() => null);
  if (info === null || !info.isDirectory()) {
    throw new Fault(
      "not_found",
      `${given} is not a folder: name the one that holds your services.`,
    );
  }
  const folder = await realpath(given);
  const temporary = await mkdtemp(join(tmpdir(), "lastgood-init-"));
  try {
    return await new Look(folder, temporary, createGit(temporary), signal).facts();
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** One repository as the services share it. */
interface Registered {
  readonly facts: RepositoryFacts;
  /** Where it is on this machine, and what a look at its history gave. */
  readonly found: FoundRepository | null;
  readonly tree: ((prefix: string) => Tree) | null;
}

class Look {
  readonly #folder: string;
  readonly #temporary: string;
  readonly #git: Git;
  readonly #signal: AbortSignal;
  readonly #registered = new Map<string, Registered>();
  readonly #authors: AuthorFacts[] = [];

  constructor(folder: string, temporary: string, git: Git, signal: AbortSignal) {
    this.#folder = folder;
    this.#temporary = temporary;
    this.#git = git;
    this.#signal = signal;
  }

  async facts(): Promise<FolderFacts> {
    const tree = treeOnDisk(this.#folder, "in this folder");
    const composeFile = await firstOf(
      composeNames,
      async (name) => (await tree.read(name)) !== null,
    );
    const compose =
      composeFile === null
        ? { services: await this.#impliedServices(tree), settings: {} }
        : readCompose(composeFile, (await tree.read(composeFile)) ?? "");
    const isAgent = (service: ComposeService) => service.labels.agent !== undefined;
    const services: ServiceFacts[] = [];
    for (const service of compose.services) {
      if (isAgent(service) || service.labels.ignore === "true") continue;
      services.push(await this.#service(service));
    }
    if (this.#registered.size === 0) await this.#registerAround(this.#folder);
    return {
      composeFile,
      services,
      agents: compose.services.filter(isAgent),
      repositories: [...this.#registered.values()].map(({ facts }) => facts),
      authors: mergeAuthors(this.#authors),
      settings: compose.settings,
    };
  }

  /** Without a compose file: this folder, or each folder in it, that says how to start it. */
  async #impliedServices(tree: Tree): Promise<readonly ComposeService[]> {
    const here = await readSource(tree);
    if (here.scripts.start !== undefined) return [bareService(basename(this.#folder), ".")];
    const entries = await readdir(this.#folder, { withFileTypes: true });
    const found: ComposeService[] = [];
    for (const { name } of entries.filter((entry) => entry.isDirectory())) {
      if (name.startsWith(".") || name === "node_modules") continue;
      const inside = await treeOnDisk(join(this.#folder, name), "").read("package.json");
      if (inside !== null && /"start"\s*:/.test(inside)) found.push(bareService(name, `./${name}`));
      else if (await findRepository(join(this.#folder, name))) {
        await this.#registerAround(join(this.#folder, name));
      }
    }
    return found;
  }

  async #service(compose: ComposeService): Promise<ServiceFacts> {
    const context =
      compose.build === null || /^(https?|ssh|git):|^git@/.test(compose.build)
        ? null
        : resolve(this.#folder, compose.build);
    const registered = await this.#repositoryOf(compose, context);
    const around = registered?.found ?? null;
    const prefix =
      context === null || around === null || compose.labels.repository !== undefined
        ? ""
        : relative(around.path, context);
    const onDisk = context === null ? null : treeOnDisk(context, `in ${compose.build}`);
    const isThere = onDisk !== null && (await onDisk.paths()).length > 0;
    const tree = isThere ? onDisk : (registered?.tree?.(prefix) ?? null);
    return {
      compose,
      repository: registered?.facts.name ?? null,
      prefix,
      source: tree === null ? null : await readSource(tree),
    };
  }

  async #repositoryOf(
    { labels, name }: ComposeService,
    context: string | null,
  ): Promise<Registered | null> {
    const label = labels.repository;
    if (label === undefined) return context === null ? null : await this.#registerAround(context);
    const isLocal = !/^[a-z][a-z0-9+.-]*:\/\/|^[^/]+:/i.test(label);
    const path = isLocal ? resolve(this.#folder, label) : null;
    const found =
      path !== null
        ? await findRepository(path)
        : context === null
          ? null
          : await findRepository(context);
    return await this.#register({
      key: path ?? label,
      name: basename(label).replace(/\.git$/, "") || name,
      url: label,
      branch: labels.branch ?? found?.branch ?? "main",
      found,
      isCheckedOut: path !== null && (found?.isCheckedOut ?? false),
      says: `the label lastgood.repository of ${name} names it`,
    });
  }

  async #registerAround(path: string): Promise<Registered | null> {
    const found = await findAround(path);
    if (found === null) return null;
    const isAt = this.#relative(found.path);
    const remote = found.remote === null ? null : this.#remoteOf(found, found.remote);
    return await this.#register({
      key: resolve(this.#folder, remote ?? found.path),
      name: basename(remote ?? found.path).replace(/\.git$/, ""),
      url: remote ?? isAt,
      branch: found.branch,
      found,
      isCheckedOut: remote === null && found.isCheckedOut,
      says: remote === null ? `${isAt} is a git repository without a remote` : `origin of ${isAt}`,
    });
  }

  /** A remote that is a path is relative to its clone; ours are relative to this folder. */
  #remoteOf(found: FoundRepository, remote: string): string {
    const isPath = !/^[a-z][a-z0-9+.-]*:\/\/|^[^/]+:/i.test(remote);
    return isPath ? this.#relative(resolve(found.path, remote)) : remote;
  }

  #relative(path: string): string {
    const way = relative(this.#folder, path);
    if (way === "") return ".";
    return way.startsWith("..") ? path : `./${way}`;
  }

  async #register(given: {
    readonly key: string;
    readonly name: string;
    readonly url: string;
    readonly branch: string;
    readonly found: FoundRepository | null;
    readonly isCheckedOut: boolean;
    readonly says: string;
  }): Promise<Registered> {
    const known = this.#registered.get(given.key);
    if (known !== undefined) return known;
    const { found, branch } = given;
    const history =
      found === null
        ? null
        : await readHistory(this.#git, this.#temporary, { ...found, branch }, this.#signal);
    this.#authors.push(...(history?.authors ?? []));
    const taken = [...this.#registered.values()].map(({ facts }) => facts.name);
    const url = withoutPassword(given.url);
    const registered: Registered = {
      found,
      facts: {
        name: uniqueName(asName(given.name) ?? "repository", taken),
        url,
        branch,
        isCheckedOut: given.isCheckedOut,
        hadPassword: url !== given.url && /:[^/@]+@/.test(given.url),
        says: given.says,
      },
      tree:
        history === null
          ? null
          : (prefix) => treeAt(this.#git, history.directory, history.tip, prefix),
    };
    this.#registered.set(given.key, registered);
    return registered;
  }
}

function bareService(name: string, build: string): ComposeService {
  return {
    ...{ name: asName(name) ?? "service", build, image: null, dependsOn: [], health: null },
    ...{ port: null, containerPort: null, environment: {}, labels: {}, settings: {} },
  };
}

function mergeAuthors(authors: readonly AuthorFacts[]): readonly AuthorFacts[] {
  const merged = new Map<string, AuthorFacts>();
  for (const author of authors) {
    const key = `${author.email}\0${author.trailer ?? ""}`;
    const known = merged.get(key);
    merged.set(key, { ...author, commits: author.commits + (known?.commits ?? 0) });
  }
  return [...merged.values()].sort(
    (one, other) => other.commits - one.commits || (one.email < other.email ? -1 : 1),
  );
}

async function firstOf<T>(
  candidates: readonly T[],
  fits: (candidate: T) => Promise<boolean>,
): Promise<T | null> {
  for (const candidate of candidates) if (await fits(candidate)) return candidate;
  return null;
}
