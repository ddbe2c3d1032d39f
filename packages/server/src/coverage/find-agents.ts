import type { Finding } from "@lastgood/sdk";
import type { CoverageCheck, Facts } from "./facts.ts";

const about = (agent: string) => `agent ${agent}`;

export const agentChecks: readonly CoverageCheck[] = [
  authors,
  tokens,
  sessions,
  effects,
  inboxes,
  held,
  deadLetters,
];

function authors({ config }: Facts): readonly Finding[] {
  const isCodeKept = Object.keys(config.repositories).length > 0;
  return Object.entries(config.agents).flatMap(([name, agent]) =>
    agent.authors.length > 0 || !isCodeKept
      ? []
      : [
          {
            kind: "unprotected",
            code: "agent-without-authors",
            about: about(name),
            says: "its commits cannot be told from others': it cannot be contained by its pushes",
            mend: `lastgood config set agents.${name}.authors "[<address>]"`,
          },
        ],
  );
}

function tokens({ config, agents }: Facts): readonly Finding[] {
  if (!agents.seen) return [];
  const known = new Map(agents.value.map((agent) => [agent.name, agent]));
  return Object.keys(config.agents).flatMap((name): readonly Finding[] => {
    const agent = known.get(name);
    const contained = agent?.contained ?? null;
    const found: Finding[] = [];
    if (contained !== null) {
      found.push({
        kind: "noted",
        code: "agent-contained",
        about: about(name),
        says: `it is contained: ${contained.because}`,
        mend:
          contained.incident === null
            ? "lastgood incident list"
            : `lastgood incident show ${contained.incident}`,
      });
    }
    if ((agent?.tokens ?? 0) === 0) {
      found.push({
        kind: "unprotected",
        code: "agent-without-token",
        about: about(name),
        says: "no token is its own: what it does is not told apart, and its hand cannot be stopped by its token",
        mend: `lastgood token create --role agent --name ${name} --agent ${name}`,
      });
    }
    return found;
  });
}

function sessions({ config, agents }: Facts): readonly Finding[] {
  if (!agents.seen) return [];
  const known = new Map(agents.value.map((agent) => [agent.name, agent]));
  const parked = agents.value.flatMap(({ name, parked: because }): readonly Finding[] =>
    because === null
      ? []
      : [
          {
            kind: "broken",
            code: "agent-parked",
            about: about(name),
            says: `it is parked and does not start: ${because}`,
            mend: `lastgood agents release ${name} "<why>"`,
          },
        ],
  );
  const unseen = Object.keys(config.agents).flatMap((name): readonly Finding[] =>
    known.get(name)?.inSessions === true
      ? []
      : [
          {
            kind: "unprotected",
            code: "agent-without-session",
            about: about(name),
            says: "it never worked in a session: its death is not noticed, and the next one will not know what it was doing",
            mend: `lastgood agent run --agent ${name} -- <its command>`,
          },
        ],
  );
  return [...parked, ...unseen];
}

function effects({ agents }: Facts): readonly Finding[] {
  if (!agents.seen) return [];
  return agents.value.flatMap(({ name, unknownEffects }): readonly Finding[] =>
    unknownEffects === 0
      ? []
      : [
          {
            kind: "noted",
            code: "effects-unknown",
            about: about(name),
            says: `of ${unknownEffects} effects nobody knows whether they happened`,
            mend: `lastgood effects list --agent ${name} --state unknown`,
          },
        ],
  );
}

function inboxes({ config, messages }: Facts): readonly Finding[] {
  if (!messages.seen) return [];
  const { consumers } = messages.value;
  return Object.entries(config.agents).flatMap(([name, { roles }]) =>
    consumers.some(({ agent, role }) => agent === name || (role !== null && roles.includes(role)))
      ? []
      : [
          {
            kind: "unprotected",
            code: "agent-without-inbox",
            about: about(name),
            says: "it has no inbox yet: it cannot be told of a revert, and nothing of its work is kept to be replayed",
            mend: `lastgood messages publish --agent ${name} '{"type":"hello"}'`,
          },
        ],
  );
}

function held({ messages }: Facts): readonly Finding[] {
  if (!messages.seen) return [];
  const { engine, reachable, degraded, consumers } = messages.value;
  const found: Finding[] = [];
  if (!reachable) {
    found.push({
      kind: "broken",
      code: "messages-away",
      about: "messages",
      says: `the engine (${engine}) does not answer`,
      mend: "lastgood messages streams",
    });
  }
  // That the embedded log is for one server is said when there are several.
  for (const says of engine === "nats" ? degraded : []) {
    found.push({
      kind: "noted",
      code: "messages-degraded",
      about: "messages",
      says,
      mend: "lastgood messages streams",
    });
  }
  for (const consumer of consumers) {
    if (consumer.held.length > 0) {
      found.push({
        kind: "noted",
        code: "consumer-held",
        about: `consumer ${consumer.name}`,
        says: `it gets nothing: ${consumer.held.join("; ")}`,
        mend: `lastgood messages release ${consumer.name}`,
      });
    }
    if (consumer.missed > 0) {
      found.push({
        kind: "broken",
        code: "messages-missed",
        about: `consumer ${consumer.name}`,
        says: `${consumer.missed} messages were dropped by the stream's limits before it saw them`,
        mend: "lastgood messages streams",
      });
    }
  }
  return found;
}

function deadLetters({ messages }: Facts): readonly Finding[] {
  if (!messages.seen || messages.value.deadLetters === 0) return [];
  return [
    {
      kind: "noted",
      code: "dead-letters",
      about: "messages",
      says: `${messages.value.deadLetters} dead letters wait to be settled`,
      mend: "lastgood dead-letters list",
    },
  ];
}
