/** What a schema cannot say: that names name something, and that settings agree with each other. */
import type { Config } from "./config.ts";
import { cyclesOf } from "./graph.ts";
import { nearest } from "./nearest.ts";

/** Something to say about one place in the file. */
export interface Remark {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What makes a configuration wrong. */
export function findContradictions(config: Config): readonly Remark[] {
  return [
    ...services(config),
    ...agents(config),
    ...rules(config),
    ...messages(config),
    ...people(config),
    ...limits(config),
    ...gates(config),
  ];
}

/** What is allowed and probably not meant. */
export function findDoubts(config: Config): readonly Remark[] {
  const cycles = cyclesOf(config).map((cycle) => ({
    path: [kindOf(config, cycle[0] ?? ""), cycle[0] ?? "", "dependsOn"],
    message: `${cycle.join(" -> ")} is a cycle: triage cannot tell cause from effect along it; leave out the edge along which no damage travels`,
  }));
  const migrations = Object.entries(config.services).flatMap(([name, service]) =>
    service.schema === "migrations" &&
    service.repository !== undefined &&
    config.repositories[service.repository]?.migrations === undefined
      ? [
          {
            path: ["services", name, "schema"],
            message: `its schema is made by migrations, and the repository ${service.repository} declares none: add repositories.${service.repository}.migrations, or a revert cannot undo them`,
          },
        ]
      : [],
  );
  const nobody =
    Object.keys(config.people).length > 0 && config.pages.owner === undefined
      ? [
          {
            path: ["people"],
            message:
              "pages.owner names nobody: what has no owner of its own is paged to the first person who can be called; set pages.owner",
          },
        ]
      : [];
  return [...cycles, ...migrations, ...nobody];
}

function services(config: Config): readonly Remark[] {
  const ports = new Map<number, string>();
  return Object.entries(config.services).flatMap(([name, service]) => {
    const at = ["services", name];
    const found: Remark[] = [...dependencies(config, at, name, service.dependsOn)];
    if (Object.hasOwn(config.agents, name)) {
      found.push({
        path: at,
        message: `${name} is an agent too: give one of the two another name, for dependsOn could mean either`,
      });
    }
    if (service.repository !== undefined) {
      found.push(
        ...declared(config.repositories, [...at, "repository"], service.repository, "repositories"),
      );
    } else {
      const needs = service.sandbox ? "sandbox" : service.runtime ? "runtime" : null;
      if (needs === "sandbox" || service.runtime?.adapter === "process") {
        found.push({
          path: [...at, needs ?? "runtime"],
          message: `it runs revisions of a repository, and none is named: set services.${name}.repository`,
        });
      }
    }
    found.push(...owner(config, at, service.owner));
    if (service.runtime?.adapter === "process") {
      const other = ports.get(service.runtime.port);
      if (other !== undefined) {
        found.push({
          path: [...at, "runtime", "port"],
          message: `the service ${other} has port ${service.runtime.port} already: give each its own`,
        });
      }
      ports.set(service.runtime.port, name);
    }
    return found;
  });
}

function agents(config: Config): readonly Remark[] {
  const owners = new Map<string, string>();
  return Object.entries(config.agents).flatMap(([name, agent]) => {
    const at = ["agents", name];
    const shared = agent.authors.flatMap((author, index) => {
      const other = owners.get(author.toLowerCase());
      owners.set(author.toLowerCase(), name);
      return other === undefined || other === name
        ? []
        : [
            {
              path: [...at, "authors", index],
              message: `${author} is the agent ${other}'s already: a commit has one author`,
            },
          ];
    });
    return [
      ...dependencies(config, at, name, agent.dependsOn),
      ...owner(config, at, agent.owner),
      ...shared,
    ];
  });
}

function dependencies(
  config: Config,
  at: readonly string[],
  name: string,
  dependsOn: readonly string[],
): readonly Remark[] {
  const nodes = { ...config.agents, ...config.services };
  return dependsOn.flatMap((each, index) => {
    const path = [...at, "dependsOn", index];
    if (each === name) return [{ path, message: `${name} depends on itself: take it out` }];
    return declared(nodes, path, each, "services or agents");
  });
}

function rules(config: Config): readonly Remark[] {
  return Object.entries(config.rules).flatMap(([name, rule]) => {
    const at = ["rules", name];
    const found = [...declared(config.services, [...at, "service"], rule.service, "services")];
    const { atMost, atLeast } = rule.good ?? {};
    if (rule.good !== undefined && atMost === undefined && atLeast === undefined) {
      found.push({ path: [...at, "good"], message: "say atMost, atLeast, or both" });
    }
    if (atMost !== undefined && atLeast !== undefined && atLeast > atMost) {
      found.push({ path: [...at, "good"], message: "nothing is at least more than it is at most" });
    }
    return found;
  });
}

function messages(config: Config): readonly Remark[] {
  const roles = Object.fromEntries(
    Object.values(config.agents).flatMap((agent) => agent.roles.map((role) => [role, true])),
  );
  const { streams, consumers } = config.messages;
  return [
    ...Object.entries(streams).flatMap(([name, { reviewer }]) =>
      reviewer === undefined
        ? []
        : declared(config.agents, ["messages", "streams", name, "reviewer"], reviewer, "agents"),
    ),
    ...Object.entries(consumers).flatMap(([name, consumer]) => {
      const at = ["messages", "consumers", name];
      const found: Remark[] = [];
      if (consumer.agent !== undefined) {
        found.push(...declared(config.agents, [...at, "agent"], consumer.agent, "agents"));
      }
      if (consumer.role !== undefined) {
        found.push(...declared(roles, [...at, "role"], consumer.role, "the roles of agents"));
      }
      if (consumer.agent !== undefined && consumer.role !== undefined) {
        found.push({ path: at, message: "it belongs to an agent or to a role: name one of them" });
      }
      return found;
    }),
  ];
}

function people(config: Config): readonly Remark[] {
  const { owner: called } = config.pages;
  return called === undefined ? [] : declared(config.people, ["pages", "owner"], called, "people");
}

function limits({ triage }: Config): readonly Remark[] {
  return triage.freezeAt > triage.actAt
    ? [
        {
          path: ["triage", "freezeAt"],
          message: `it is above actAt (${triage.actAt}): what is sure enough to act on is sure enough to freeze on`,
        },
      ]
    : [];
}

function gates({ gate, gateway }: Config): readonly Remark[] {
  return Object.entries(gate).flatMap(([artifact, { run }]): readonly Remark[] => {
    const path = ["gate", artifact, "run"];
    const ways = [run.command, run.http, run.model].filter((way) => way !== undefined);
    if (ways.length !== 1) {
      return [{ path, message: "say how a release is asked: by one of command, http and model" }];
    }
    if (run.model === true && Object.keys(gateway.endpoints).length === 0) {
      const message =
        "models are asked at gateway.endpoints, and there are none: declare one there";
      return [{ path: [...path, "model"], message }];
    }
    if (run.keyEnv !== undefined && run.http === undefined) {
      return [{ path: [...path, "keyEnv"], message: "it is the token for `http`: take it out" }];
    }
    return [];
  });
}

function owner(
  config: Config,
  at: readonly string[],
  named: string | undefined,
): readonly Remark[] {
  if (named === undefined) return [];
  return declared(
    { ...config.people, ...config.agents },
    [...at, "owner"],
    named,
    "people or agents",
  );
}

function declared(
  among: Readonly<Record<string, unknown>>,
  path: readonly (string | number)[],
  named: string,
  where: string,
): readonly Remark[] {
  if (Object.hasOwn(among, named)) return [];
  const meant = nearest(named, Object.keys(among));
  const hint = meant === null ? `declare it there, or take it out` : `did you mean ${meant}?`;
  return [{ path, message: `${named} is not declared among ${where}: ${hint}` }];
}

function kindOf(config: Config, node: string): string {
  return Object.hasOwn(config.services, node) ? "services" : "agents";
}
