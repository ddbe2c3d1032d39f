/**
 * The world of the story, as a founder would have it on disk: a compose file, a bare repository that
 * everybody pushes to, a work tree per agent, a production database with real rows.
 *
 *     folder/
 *       compose.yaml               what runs, and who works
 *       content-api/               a clone, as the compose file builds it
 *       repositories/content-api   the remote
 *       work/<agent>/              each coding agent's own clone
 *       agents/<agent>.ndjson      written by the agents as they act
 */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { stringify } from "yaml";
import { freePort } from "../../free-port.ts";
import { openDatabase } from "../../store/database.ts";
import { git } from "../run-git.ts";
import { codingAgents } from "./story.ts";

export interface SeptemberWorld {
  readonly folder: string;
  /** The bare repository. */
  readonly remote: string;
  readonly branch: string;
  /** Where the content service is reached. */
  readonly port: number;
  /** Production's own database. */
  readonly databaseUrl: string;
}

const material = resolve(import.meta.dirname, "../../../drills/september");

export async function buildWorld(folder: string, databaseUrl: string): Promise<SeptemberWorld> {
  const remote = join(folder, "repositories/content-api");
  const port = await freePort();
  await mkdir(join(folder, "agents"), { recursive: true });
  await Promise.all([
    buildRepositories(folder, remote),
    loadProduction(databaseUrl),
    writeFile(join(folder, "compose.yaml"), composeOf(port, databaseUrl)),
  ]);
  return { folder, remote, branch: "main", port, databaseUrl };
}

async function buildRepositories(folder: string, remote: string): Promise<void> {
  const first = join(folder, "content-api");
  await cp(join(material, "content-api"), first, { recursive: true });
  await vendorDriver(join(first, "vendor/postgres"));
  await git(first, "founder", "init", "--quiet", "--initial-branch=main");
  await git(first, "founder", "add", "--all");
  await git(first, "founder", "commit", "--quiet", "--message=content-api 1.8.0");
  await mkdir(dirname(remote), { recursive: true });
  await git(folder, "founder", "clone", "--quiet", "--bare", first, remote);
  await git(first, "founder", "remote", "add", "origin", remote);
  await git(first, "founder", "push", "--quiet", "origin", "main:next");
  for (const agent of codingAgents) {
    const tree = join(folder, "work", agent);
    await mkdir(dirname(tree), { recursive: true });
    await git(folder, agent, "clone", "--quiet", remote, tree);
  }
}

/** The service carries its database driver in its repository: a checkout of it runs as it is. */
async function vendorDriver(into: string): Promise<void> {
  const entry = createRequire(import.meta.url).resolve("postgres");
  const root = entry.slice(0, entry.lastIndexOf("/postgres/") + "/postgres/".length);
  await cp(join(root, "src"), into, { recursive: true });
}

async function loadProduction(url: string): Promise<void> {
  const database = openDatabase(url, { max: 1 });
  try {
    for (const file of ["schema.sql", "fixture.sql"]) {
      await database.unsafe(await readFile(join(material, "content-api", file), "utf8"));
    }
  } finally {
    await database.end();
  }
}

function composeOf(port: number, databaseUrl: string): string {
  const agent = (name: string, dependsOn: readonly string[]) => ({
    image: "agents/runner",
    labels: { "lastgood.agent": name, "lastgood.authors": `${name}@agents.example` },
    ...(dependsOn.length > 0 ? { depends_on: dependsOn } : {}),
  });
  return stringify({
    services: {
      postgres: { image: "postgres:18" },
      "content-api": {
        build: "./content-api",
        ports: [`${port}:${port}`],
        depends_on: ["postgres"],
        environment: { DATABASE_URL: databaseUrl },
        healthcheck: {
          test: ["CMD", "curl", "-f", `http://localhost:${port}/health`],
          timeout: "1s",
        },
        labels: {
          "lastgood.repository": "./repositories/content-api",
          "lastgood.probe": "/articles",
        },
      },
      ...Object.fromEntries(codingAgents.map((name) => [`${name}-agent`, agent(name, [])])),
      "frontend-agent": agent("frontend", ["content-api"]),
      "marketing-agent": agent("marketing", ["content-api"]),
    },
  });
}
