/**
 * From what was seen in a folder to a configuration, with the reason for each guess. Pure: the same facts
 * give the same configuration.
 */
import type { ComposeService } from "./compose.ts";
import type { FolderFacts, RepositoryFacts } from "./facts.ts";
import { guessService } from "./guess-service.ts";
import type { Guess, Note, Settings } from "./guessed.ts";
import { agentNameOf, asName, looksLikeAgent } from "./names.ts";

export function guess(facts: FolderFacts): Guess {
  const notes: Note[] = [];
  const nodes = nodeNames(facts);
  const agents = guessAgents(facts, nodes, notes);
  const services: Settings = {};
  for (const each of facts.services) {
    const name = nodes.get(each.compose.name) ?? each.compose.name;
    const made = guessService(each, nodes);
    services[name] = merge(made.settings, each.compose.settings);
    notes.push(...made.notes.map((note) => at(["services", name], note)));
  }
  const repositories = guessRepositories(facts, notes);
  const people = guessPeople(facts, agents, services, notes);
  const settings = merge(
    {
      version: 1,
      mode: "watch",
      repositories,
      agents,
      services,
      ...people,
    },
    facts.settings,
  );
  return { settings: withoutEmpty(settings), notes };
}

/** Compose service -> the name of its service or agent here. */
function nodeNames({ services, agents }: FolderFacts): ReadonlyMap<string, string> {
  return new Map([
    ...services.map(({ compose }) => [compose.name, asName(compose.name) ?? "service"] as const),
    ...agents.map((each) => [each.name, asName(each.labels.agent ?? "") ?? each.name] as const),
  ]);
}

function guessRepositories({ repositories, services }: FolderFacts, notes: Note[]): Settings {
  const guessed: Settings = {};
  for (const repository of repositories) {
    const here = ["repositories", repository.name];
    const migrations = services.find(
      (each) => each.repository === repository.name && each.source?.migrations,
    )?.source?.migrations;
    guessed[repository.name] = {
      url: repository.url,
      branch: repository.branch,
      ...(repository.isCheckedOut ? { deliver: "branch" } : {}),
      ...(repository.hadPassword ? { credentials: credentialsOf(repository) } : {}),
      ...(migrations ? { migrations: { paths: [migrations] } } : {}),
    };
    notes.push({ path: here, says: repository.says });
    if (repository.isCheckedOut) {
      notes.push({
        path: [...here, "deliver"],
        says: "its branch is checked out here, and git refuses pushes to it: a revert comes as a branch",
      });
    }
    if (repository.hadPassword) {
      notes.push({
        path: [...here, "credentials"],
        says: "the remote's URL held a password, which was left out: start Lastgood with it in this variable",
      });
    }
    if (migrations) {
      notes.push({
        path: [...here, "migrations"],
        says: "add `down` and `database`, or a revert of these files is never made by itself",
      });
    }
  }
  return guessed;
}

function credentialsOf({ name }: RepositoryFacts): string {
  return `${name.replace(/\W/g, "_").toUpperCase().replace(/^\d/, "_$&")}_TOKEN`;
}

function guessAgents(
  { agents, authors, composeFile }: FolderFacts,
  nodes: ReadonlyMap<string, string>,
  notes: Note[],
): Settings {
  const guessed = new Map<string, { addresses: Set<string>; rest: Settings }>();
  for (const compose of agents) {
    const name = nodes.get(compose.name) ?? compose.name;
    guessed.set(name, {
      addresses: new Set(listOf(compose.labels.authors)),
      rest: merge(fromLabels(compose, nodes), compose.settings),
    });
    notes.push({
      path: ["agents", name],
      says: `${compose.name} in ${composeFile} has the label lastgood.agent`,
    });
  }
  const taken = new Set([...nodes.values()]);
  for (const author of authors) {
    const labelled = [...guessed].find(([, { addresses }]) => addresses.has(author.email));
    if (labelled !== undefined) continue;
    if (author.trailer === null && !looksLikeAgent(author)) continue;
    const name = asName(author.trailer ?? "") ?? agentNameOf(author);
    if (name === null) continue;
    const known = guessed.get(name);
    if (known !== undefined) {
      known.addresses.add(author.email);
      continue;
    }
    // A service of that name is no agent: dependsOn could mean either.
    const free = taken.has(name) ? `${name}-agent` : name;
    guessed.set(free, { addresses: new Set([author.email]), rest: {} });
    notes.push({
      path: ["agents", free],
      says:
        author.trailer === null
          ? `the author ${author.email} looks like a program: ${author.commits} of the last commits`
          : `commits carry the trailer "Agent: ${author.trailer}"`,
    });
  }
  return Object.fromEntries(
    [...guessed].map(([name, { addresses, rest }]) => [
      name,
      { ...(addresses.size > 0 ? { authors: [...addresses] } : {}), ...rest },
    ]),
  );
}

function fromLabels(
  { labels, dependsOn }: ComposeService,
  nodes: ReadonlyMap<string, string>,
): Settings {
  const known = dependsOn.flatMap((each) => nodes.get(each) ?? []);
  return {
    ...(labels.roles === undefined ? {} : { roles: listOf(labels.roles) }),
    ...(known.length > 0 ? { dependsOn: known } : {}),
    ...(labels.owner === undefined ? {} : { owner: labels.owner }),
  };
}

/** Owners that are no agents are people; without any, the person with the most commits. */
function guessPeople(
  { authors }: FolderFacts,
  agents: Settings,
  services: Settings,
  notes: Note[],
): Settings {
  const owners = [...Object.values(services), ...Object.values(agents)]
    .map((each) => (each as { owner?: unknown }).owner)
    .filter((owner): owner is string => typeof owner === "string");
  const people = [...new Set(owners)].filter((owner) => !Object.hasOwn(agents, owner));
  const known = new Set(
    Object.values(agents).flatMap((each) => (each as { authors?: string[] }).authors ?? []),
  );
  const person = authors.find(({ email }) => !known.has(email));
  const founder = person === undefined ? null : asName(person.name.toLowerCase());
  const isFree =
    founder !== null && !Object.hasOwn(agents, founder) && !Object.hasOwn(services, founder);
  if (people.length === 0 && founder !== null && isFree) {
    people.push(founder);
    notes.push({
      path: ["people", founder],
      says: `${person?.name} has the most commits of those who are no agents`,
    });
  }
  const [first] = people;
  if (first === undefined) return {};
  notes.push({
    path: ["people"],
    says:
      "Whom to call. Nobody can be called until a person has one of:\n" +
      "  pagerduty: PAGERDUTY_KEY      the variable that holds the routing key, never the key itself\n" +
      "  webhook: https://example.com  gets signed calls; `lastgood page secret <person>` shows the secret\n" +
      "Then try it: lastgood page rehearse <person>",
  });
  return {
    people: Object.fromEntries(people.map((name) => [name, {}])),
    pages: { owner: first },
  };
}

function at(path: readonly string[], note: Note): Note {
  return { ...note, path: [...path, ...note.path] };
}

function listOf(text: string | undefined): string[] {
  return (text ?? "").split(/[,\s]+/).filter((each) => each !== "");
}

/** `over` wins; mappings are merged, everything else is replaced. */
export function merge(under: Settings, over: Readonly<Settings>): Settings {
  const merged = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = Object.hasOwn(merged, key) ? merged[key] : undefined;
    merged[key] = isSettings(below) && isSettings(value) ? merge(below, value) : value;
  }
  return merged;
}

function isSettings(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutEmpty(settings: Settings): Settings {
  return Object.fromEntries(
    Object.entries(settings).filter(
      ([, value]) => !(isSettings(value) && Object.keys(value).length === 0),
    ),
  );
}
