import { formatDuration } from "../../duration.ts";
import type { ComposeService } from "./compose.ts";
import type { ServiceFacts, SourceFacts } from "./facts.ts";
import type { Guess, Note, Settings } from "./guessed.ts";
import { asName } from "./names.ts";

/** What one service probably is: how it is reached, run, probed and rerun. */
export function guessService(
  { compose, repository, prefix, source }: ServiceFacts,
  nodes: ReadonlyMap<string, string>,
): Guess {
  const notes: Note[] = [];
  const { labels } = compose;
  const port = portOf(compose);
  const dependsOn = compose.dependsOn.flatMap((each) => nodes.get(each) ?? []);
  const runtime = repository === null ? null : guessRuntime(compose, source, prefix, port, notes);
  const sandbox = runtime === null ? null : guessSandbox(compose, source, prefix, notes);
  const probes = guessProbes(compose, source, port, notes);
  const settings: Settings = {
    ...(labels.owner === undefined ? {} : { owner: labels.owner }),
    ...(repository === null ? {} : { repository }),
    ...(runtime === null && port !== null && Object.keys(probes).length > 0
      ? { url: `http://127.0.0.1:${port}` }
      : {}),
    ...guessAudience(compose, notes),
    ...(dependsOn.length > 0 ? { dependsOn } : {}),
    ...guessSchema(source, notes),
    ...(runtime === null ? {} : { runtime }),
    ...(Object.keys(probes).length > 0 ? { probes } : {}),
    ...(sandbox === null ? {} : { sandbox }),
  };
  if (repository === null) {
    notes.unshift({
      path: [],
      says:
        compose.image === null
          ? "no repository of it was found: its code cannot be put back"
          : `runs the image ${compose.image}: part of the graph, nothing of it is put back`,
    });
  } else if (runtime === null) {
    notes.push({
      path: [],
      says: "how it starts was not found: set `runtime` (a `process`, or `command` for docker compose, kubectl, …)",
    });
  }
  return { settings, notes };
}

/** The label, else what is published on this machine, else what the healthcheck asks, else PORT. */
function portOf({ labels, port, health, environment }: ComposeService): number | null {
  const named = Number(labels.port ?? environment.PORT ?? Number.NaN);
  if (labels.port !== undefined && Number.isInteger(named)) return named;
  return port ?? health?.port ?? (Number.isInteger(named) ? named : null);
}

function guessAudience({ labels, port, image, build }: ComposeService, notes: Note[]): Settings {
  const label = labels["customer-facing"];
  if (label !== undefined) return { customerFacing: label === "true" };
  if (port !== null && build !== null) return {};
  notes.push({
    path: ["customerFacing"],
    says:
      port === null
        ? "no port of it is published, so no customer calls it directly"
        : `the image ${image} is taken as an inner part, though its port is published`,
  });
  return { customerFacing: false };
}

function guessSchema(source: SourceFacts | null, notes: Note[]): Settings {
  if (source?.appliesSchema) {
    notes.push({
      path: ["schema"],
      says: `${source.appliesSchema} names ${source.schema}: taken as applied at every start, so that a revert of the file is a revert of the database`,
    });
    return { schema: "declarative" };
  }
  if (source?.migrations) return { schema: "migrations" };
  return {};
}

const readyWhenInstalling = "120s";

function guessRuntime(
  compose: ComposeService,
  source: SourceFacts | null,
  prefix: string,
  port: number | null,
  notes: Note[],
): Settings | null {
  const start = source === null ? null : commandOf(source, "start", prefix);
  if (start === null || port === null) return null;
  const { env, envFrom } = environmentOf(compose, notes);
  notes.push({
    path: ["runtime"],
    says: "the script `start` of package.json; Lastgood sets PORT (another for each instance) and REVISION",
  });
  if (source?.installs) {
    notes.push({
      path: ["runtime", "start"],
      says: "each revision starts from its own files, so its packages are installed first",
    });
  }
  return {
    adapter: "process",
    start,
    port,
    ...(Object.keys(env).length > 0 ? { env } : {}),
    ...(envFrom.length > 0 ? { envFrom } : {}),
    ...(compose.health?.path ? { health: compose.health.path } : {}),
    ...(source?.installs ? { ready: readyWhenInstalling } : {}),
  };
}

/** PORT and REVISION are Lastgood's to set; DATABASE_URL in Lastgood's own environment is Lastgood's. */
function environmentOf(
  { environment }: ComposeService,
  notes: Note[],
): { env: Record<string, string>; envFrom: readonly string[] } {
  const entries = Object.entries(environment).filter(
    ([name]) => !["PORT", "REVISION"].includes(name) && /^[A-Za-z_]\w*$/.test(name),
  );
  const env = Object.fromEntries(
    entries.filter((entry): entry is [string, string] => entry[1] !== null),
  );
  const open = entries.filter(([, value]) => value === null).map(([name]) => name);
  const envFrom = open.filter((name) => name !== "DATABASE_URL");
  if (Object.keys(env).length > 0) {
    notes.push({
      path: ["runtime", "env"],
      says: "as the compose file has it; a secret is better named in envFrom",
    });
  }
  if (envFrom.length > 0) {
    notes.push({
      path: ["runtime", "envFrom"],
      says: "the compose file takes these from its environment: start Lastgood with them",
    });
  }
  if (open.includes("DATABASE_URL")) {
    notes.push({
      path: ["runtime"],
      says: "the compose file takes DATABASE_URL from its environment, where it would be Lastgood's own database: write the service's into `env`",
    });
  }
  return { env, envFrom };
}

function guessSandbox(
  compose: ComposeService,
  source: SourceFacts | null,
  prefix: string,
  notes: Note[],
): Settings | null {
  const script = ["check", "test"].find((each) => source?.scripts[each] !== undefined);
  const check = source === null || script === undefined ? null : commandOf(source, script, prefix);
  const start = source === null ? null : commandOf(source, "start", prefix);
  if (check === null || start === null) {
    notes.push({
      path: [],
      says: "package.json has no script `check` (0 good, 1 bad, 125 cannot tell): without a sandbox a suspect commit cannot be rerun",
    });
    return null;
  }
  notes.push({
    path: ["sandbox"],
    says: `where a suspect commit and its parent are rerun: a database of its own, loopback, the script \`${script}\` of package.json`,
  });
  const inside = (path: string) => (prefix === "" ? path : `${prefix}/${path}`);
  return {
    ...(source?.schema ? { schema: inside(source.schema) } : {}),
    ...(source?.fixture ? { fixture: inside(source.fixture) } : {}),
    start,
    ...(compose.health?.path ? { health: compose.health.path } : {}),
    check,
    ...(source?.installs ? { timeout: readyWhenInstalling } : {}),
  };
}

const probeMs = { least: 250, most: 1_000, perInterval: 20, timeout: 2_000, timeoutMost: 10_000 };
const sloMs = 500;

/**
 * `health` asks what the healthcheck asks: not answered three times in a row alarms. How fast the
 * service answers is judged at `lastgood.probe`, or there too.
 */
function guessProbes(
  { labels, health }: ComposeService,
  source: SourceFacts | null,
  port: number | null,
  notes: Note[],
): Settings {
  if (port === null) return {};
  const intervalMs = health?.everyMs ?? 0;
  const everyMs = Math.round(intervalMs / probeMs.perInterval);
  const every = span(Math.min(Math.max(everyMs, probeMs.least), probeMs.most));
  const timeoutMs = Math.min(health?.timeoutMs ?? probeMs.timeout, probeMs.timeoutMost);
  const slo = labels.slo ?? span(Math.min(health?.timeoutMs ?? sloMs, sloMs));
  const timeout = span(timeoutMs);
  const revision = source?.saysRevision ? { revision: "/revision" } : {};
  const probes: Settings = {};
  if (health?.path) {
    probes.health = { path: health.path, every, timeout, ...revision };
    notes.push({ path: ["probes", "health"], says: "what the healthcheck asks" });
    if (source?.saysRevision) {
      notes.push({
        path: ["probes", "health", "revision"],
        says: `${source.saysRevision} answers with the revision that is served`,
      });
    }
  }
  const path = labels.probe ?? health?.path;
  if (!path?.startsWith("/")) return probes;
  const name = labels.probe === undefined ? "latency" : probeName(path);
  probes[name] = { path, every, timeout, slo };
  const from = labels.slo === undefined ? "the default of init" : "the label lastgood.slo";
  notes.push({
    path: ["probes", name],
    says: `${labels.probe === undefined ? "how fast it answers there" : "the label lastgood.probe"}; good within ${slo} (${from}), and judged against what it usually keeps`,
  });
  return probes;
}

function span(ms: number): string {
  return formatDuration(Math.max(1, Math.round(ms)));
}

function probeName(path: string): string {
  const name = asName((path.split("?")[0] ?? "").split("/").filter(Boolean).join("-")) ?? "front";
  return name === "health" ? "front" : name;
}

const plainWords = /^[\w@%+:,./-]+(?: +[\w@%+:,./=-]+)*$/;
const direct = /^(?:node|deno|bun|python3?|ruby|\.{1,2}\/)/;

/** A script of package.json as an argument vector: directly where no shell is needed, else through npm. */
function commandOf(source: SourceFacts, script: string, prefix: string): string[] | null {
  const text = source.scripts[script]?.trim();
  if (text === undefined || text === "") return null;
  const isDirect = prefix === "" && plainWords.test(text) && direct.test(text);
  const run = isDirect
    ? text.split(/ +/)
    : ["npm", ...(prefix === "" ? [] : ["--prefix", prefix]), "run", "--silent", script];
  if (!source.installs || script !== "start") return run;
  const there = prefix === "" ? "" : ` --prefix ${quoted(prefix)}`;
  const install = `npm ${source.hasLockfile ? "ci" : "install"} --silent --no-audit --no-fund${there}`;
  return ["sh", "-c", `${install} && exec ${run.map(quoted).join(" ")}`];
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
