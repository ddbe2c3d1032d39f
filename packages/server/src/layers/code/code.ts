import type { Logger } from "pino";
import type { Configuration } from "../../config/config.ts";
import { type CodeMirrors, createMirrors } from "../../git/open-mirrors.ts";
import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";
import type { Layer } from "../layer.ts";
import { saysBarred } from "./bar.ts";
import { barredAmong } from "./bars-store.ts";
import { createCodeLayer } from "./code-layer.ts";
import { createRepositories, type Repositories } from "./repositories.ts";
import type { HeldBack } from "./under-held.ts";
import { createWatch, type Watch } from "./watch-loop.ts";

export interface CodeDeps {
  readonly db: Db;
  readonly world: World;
  readonly log: Logger;
  /** Mirrors live in its folder `repositories`. */
  readonly home: string;
  readonly configuration: Configuration;
  /** What a revert must not bring live with it. */
  readonly heldBack: HeldBack;
}

/** Whether commits may go live. `deployable` is the newest of them that may; null for none. */
export type Admission =
  | { readonly ok: true }
  | { readonly ok: false; readonly because: string; readonly deployable: string | null };

export interface Code {
  readonly layer: Layer<"code">;
  readonly mirrors: CodeMirrors;
  readonly repositories: Repositories;
  readonly watch: Watch;
  /** Refuses what brings back what was rolled back. Commits oldest first, the last one to go live. */
  admit(repository: string, commits: readonly string[]): Promise<Admission>;
  start(): void;
  /** Ends the watch, and what git is doing for it. */
  stop(): Promise<void>;
}

/** Opens the mirrors. The watch runs once `start` is called: when everyone has subscribed. */
export async function createCode(deps: CodeDeps): Promise<Code> {
  const { db, home, configuration } = deps;
  const repositories = createRepositories(deps);
  const mirrors = await createMirrors({
    home,
    base: configuration.base,
    settingsOf: async (name) => {
      const { credentials, ...settings } = await repositories.find(name);
      return { ...settings, ...(credentials === null ? {} : { credentials }) };
    },
  });
  const watch = createWatch({ ...deps, mirrors, repositories });
  return {
    layer: createCodeLayer({ ...deps, mirrors, repositories, watch }),
    mirrors,
    repositories,
    watch,
    async admit(repository, commits) {
      const candidates = commits.map((id) => ({ id, patchId: null }));
      const [first] = await barredAmong(db, repository, candidates);
      if (first === undefined) return { ok: true };
      const at = commits.indexOf(first.commit);
      return { ok: false, because: saysBarred(first), deployable: commits[at - 1] ?? null };
    },
    start: () => watch.start(),
    stop: () => watch.stop(),
  };
}
