/** The repositories that Lastgood looks after: those of lastgood.yaml, and those registered since. */
import type { Config, Configuration, RepositoryConfig } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import { parseRemote, requireBranch } from "../../git/remote.ts";
import type { RepositoryName } from "../../ids.ts";
import type { Db } from "../../store/database.ts";
import type { World } from "../../world.ts";
import {
  deleteRepository,
  insertRepository,
  listRepositories,
  type RegisteredRow,
} from "./repositories-store.ts";

export interface Repository {
  readonly name: RepositoryName;
  readonly url: string;
  readonly branch: string;
  readonly deliver: "push" | "branch";
  /** The environment variable that holds the remote's secret. */
  readonly credentials: string | null;
  readonly pollMs: number;
  /** The environment variable that holds the secret of the forge's webhook. */
  readonly hookSecret: string | null;
  readonly migrations: NonNullable<RepositoryConfig["migrations"]> | null;
  readonly source: "configuration" | "registered";
}

export interface NewRepository {
  readonly name: string;
  readonly url: string;
  readonly branch: string;
  readonly deliver: "push" | "branch";
  readonly credentials: string | null;
  readonly pollMs: number;
}

export interface Repositories {
  all(): Promise<readonly Repository[]>;
  /** `not_found` for a name that nobody gave. */
  find(name: string): Promise<Repository>;
  /** `already_exists`, `bad_configuration`, `bad_input`. Nothing is fetched yet. */
  register(repository: NewRepository, by: string): Promise<void>;
  /** Forgets a registered one; what was recorded of it stays. `state_forbids` for a configured one. */
  remove(name: string): Promise<void>;
}

export function createRepositories(deps: {
  readonly db: Db;
  readonly world: World;
  readonly configuration: Configuration;
}): Repositories {
  const { db, world, configuration } = deps;
  const configured = (name: string) => {
    const { repositories } = configuration.current();
    return Object.hasOwn(repositories, name) ? repositories[name] : undefined;
  };
  async function all(): Promise<readonly Repository[]> {
    const registered = (await listRepositories(db)).filter(({ name }) => !configured(name));
    return [...ofConfig(configuration.current()), ...registered.map(ofRow)];
  }
  return {
    all,
    async find(name) {
      const inConfig = configured(name);
      if (inConfig !== undefined) return ofConfigured(name, inConfig);
      const row = (await listRepositories(db)).find((each) => each.name === name);
      if (row === undefined) {
        throw new Fault(
          "not_found",
          `No repository ${name.slice(0, 100)} is registered: list them with \`lastgood repositories list\`, add one with \`lastgood repositories add\`.`,
        );
      }
      return ofRow(row);
    },
    async register(repository, by) {
      parseRemote(repository.url, configuration.base);
      requireBranch(repository.branch);
      const inserted =
        configured(repository.name) === undefined &&
        (await insertRepository(db, {
          ...repository,
          registeredBy: by,
          registeredAt: world.now(),
        }));
      if (!inserted) {
        throw new Fault(
          "already_exists",
          `A repository ${repository.name} is registered already: see \`lastgood repositories list\`, or take another name.`,
        );
      }
    },
    async remove(name) {
      if (configured(name) !== undefined) {
        throw new Fault(
          "state_forbids",
          `The repository ${name} is part of lastgood.yaml: take it out there.`,
        );
      }
      if (!(await deleteRepository(db, name))) {
        throw new Fault("not_found", `No repository ${name.slice(0, 100)} is registered.`);
      }
    },
  };
}

function ofConfig({ repositories }: Config): readonly Repository[] {
  return Object.entries(repositories).map(([name, each]) => ofConfigured(name, each));
}

function ofConfigured(name: string, config: RepositoryConfig): Repository {
  return {
    name: name as RepositoryName,
    url: config.url,
    branch: config.branch,
    deliver: config.deliver,
    credentials: config.credentials ?? null,
    pollMs: config.poll,
    hookSecret: config.hookSecret ?? null,
    migrations: config.migrations ?? null,
    source: "configuration",
  };
}

function ofRow(row: RegisteredRow): Repository {
  const name = row.name as RepositoryName;
  return { ...row, name, hookSecret: null, migrations: null, source: "registered" };
}
