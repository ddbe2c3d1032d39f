/**
 * The world of the story on disk.
 *
 *     folder/
 *       compose.yaml              who works
 *       repositories/content      the remote that everybody pushes to
 *       work/<agent>/             each writer's own clone
 *       agents/<agent>.ndjson     written by the agents as they act
 *       outside.ndjson            what the outside was given, and keeps
 *       requests.ndjson           what it was asked, and answered
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { freePort } from "../../free-port.ts";
import { git } from "../run-git.ts";
import { colleagues, deputy, editor, role, writer } from "./story.ts";

export interface EvictionWorld {
  readonly folder: string;
  /** The bare repository. */
  readonly remote: string;
  readonly branch: string;
  readonly outsidePort: number;
}

export async function buildWorld(folder: string): Promise<EvictionWorld> {
  const remote = join(folder, "repositories/content");
  await mkdir(join(folder, "agents"), { recursive: true });
  await buildRepositories(folder, remote);
  await writeFile(join(folder, "compose.yaml"), composeOf());
  return { folder, remote, branch: "main", outsidePort: await freePort() };
}

async function buildRepositories(folder: string, remote: string): Promise<void> {
  const first = join(folder, "content");
  await mkdir(first, { recursive: true });
  await writeFile(join(first, "README.md"), "# Content\n\nPosts are in posts/.\n");
  await git(first, "founder", "init", "--quiet", "--initial-branch=main");
  await git(first, "founder", "add", "--all");
  await git(first, "founder", "commit", "--quiet", "--message=A place for posts");
  await mkdir(dirname(remote), { recursive: true });
  await git(folder, "founder", "clone", "--quiet", "--bare", first, remote);
  await git(first, "founder", "remote", "add", "origin", remote);
  for (const name of [writer, deputy]) {
    await cloneFor(name, remote, workTreeOf(folder, name));
  }
}

export async function cloneFor(agent: string, remote: string, tree: string): Promise<void> {
  await mkdir(dirname(tree), { recursive: true });
  await git(dirname(tree), agent, "clone", "--quiet", remote, tree);
}

export function workTreeOf(folder: string, agent: string): string {
  return join(folder, "work", agent);
}

export function machineOf(folder: string, agent: string): string {
  return join(folder, "machines", agent);
}

/** The editor hears of the writers' deaths: it owns them. */
function composeOf(): string {
  const agent = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
    image: "agents/runner",
    labels: { "lastgood.agent": name, "lastgood.authors": `${name}@agents.example`, ...labels },
  });
  const writes = { "lastgood.roles": role, "lastgood.owner": editor };
  return stringify({
    services: {
      blog: {
        image: "caddy:2",
        volumes: ["./content:/srv"],
        labels: { "lastgood.repository": "./repositories/content" },
      },
      ...Object.fromEntries(colleagues.map((name) => [`${name}-agent`, agent(name)])),
      ...Object.fromEntries([writer, deputy].map((name) => [`${name}-agent`, agent(name, writes)])),
    },
  });
}
