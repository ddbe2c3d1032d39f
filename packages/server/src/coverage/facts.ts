/** What doctor judges: plain data, gathered elsewhere, so that every judgement is a pure function of it. */
import type { Finding } from "@lastgood/sdk";
import type { Config, ConfigurationStatus } from "../config/config.ts";

/** A check says what it finds, and nothing when all is well. */
export type CoverageCheck = (facts: Facts) => readonly Finding[];

/** What was looked at, or why it could not be. A source that is away hides nothing else. */
export type Seen<T> =
  | { readonly seen: true; readonly value: T }
  | { readonly seen: false; readonly because: string };

export interface Facts {
  readonly at: Date;
  readonly config: Config;
  /** Null: the server runs without a file. */
  readonly file: ConfigurationStatus | null;
  readonly repositories: Seen<readonly RepositoryFact[]>;
  readonly services: Seen<readonly ServiceFact[]>;
  readonly rules: Seen<readonly RuleFact[]>;
  readonly messages: Seen<MessagesFact>;
  readonly agents: Seen<readonly AgentFact[]>;
  readonly pages: Seen<PagesFact>;
  readonly recoveries: Seen<readonly RecoveryFact[]>;
  readonly priors: Seen<readonly PriorFact[]>;
  /** What the bank said of releases that serve. */
  readonly looks: Seen<readonly LookFact[]>;
  /** Samples whose segment is judged by nobody. */
  readonly leftOut: Seen<readonly LeftOutFact[]>;
  /** Incidents whose post-mortem leaves something open for more than a week, oldest first; at most 100. */
  readonly postMortems: Seen<readonly string[]>;
  readonly freeze: Seen<{ readonly by: string; readonly reason: string; readonly at: Date } | null>;
  readonly store: Seen<StoreFact>;
  readonly disk: Seen<DiskFact>;
  readonly backup: Seen<Date | null>;
  readonly drill: Seen<{ readonly at: Date; readonly drill: string; readonly ok: boolean } | null>;
  /** Servers that were alive within the last 30 s on this database, ours included. */
  readonly servers: Seen<number>;
  /** The environment variables that the configuration names, and whether they are set. */
  readonly variables: Readonly<Record<string, boolean>>;
}

export interface LeftOutFact {
  /** `production/router`, or a rule. */
  readonly about: string;
  /** `quality of v14`, or the rule's signal. */
  readonly what: string;
  /** The command that shows it. */
  readonly shownBy: string;
  readonly samples: number;
  readonly busiest: readonly string[];
}

export interface RepositoryFact {
  readonly name: string;
  readonly branch: string;
  readonly deliver: "push" | "branch";
  readonly credentials: string | null;
  readonly lookedAt: Date | null;
  readonly problem: { readonly code: string; readonly detail: string; readonly since: Date } | null;
  /** Branches that a work tree on this machine has checked out. */
  readonly checkedOut: readonly string[];
}

export interface ServiceFact {
  readonly name: string;
  readonly state: "serving" | "restarting" | "not-serving" | "stopped" | "unreadable";
  readonly because: string | null;
  readonly revision: string | null;
  /** Why deploys on push wait; null: they do not. */
  readonly pinned: string | null;
  /** The last deploy that failed; null when none did since. */
  readonly failure: string | null;
  readonly held: string | null;
  /** Served files that differ from the revision; null where that cannot be seen. */
  readonly drift: readonly string[] | null;
}

export interface RuleFact {
  readonly rule: string;
  readonly service: string;
  readonly verdict: "hold" | "regression" | "drift" | "insufficient";
  readonly detector: "floor" | "late-onset" | "hard";
  readonly samples: number;
  readonly lastSampleAt: Date | null;
}

export interface MessagesFact {
  readonly engine: "embedded" | "nats";
  readonly reachable: boolean;
  readonly degraded: readonly string[];
  readonly consumers: readonly {
    readonly name: string;
    readonly agent: string | null;
    readonly role: string | null;
    readonly held: readonly string[];
    readonly missed: number;
  }[];
  readonly deadLetters: number;
}

export interface AgentFact {
  readonly name: string;
  readonly tokens: number;
  /** Why it is contained; null: it is not. */
  readonly contained: { readonly incident: string | null; readonly because: string } | null;
  /** Whether it ever worked in a session. */
  readonly inSessions: boolean;
  /** Why it is parked; null: it is not. */
  readonly parked: string | null;
  /** Effects of which nobody knows whether they happened. */
  readonly unknownEffects: number;
}

export interface PagesFact {
  /** Incidents that need a person, and nobody can be called. */
  readonly nobodyToCall: readonly string[];
  readonly undeliverable: readonly {
    readonly incident: string;
    readonly person: string;
    readonly channel: string;
    readonly because: string;
  }[];
}

export interface RecoveryFact {
  readonly id: string;
  readonly state: "failed" | "paused" | "awaiting-approval";
  readonly because: string;
}

/** What a rollback of a pin would go to. */
export interface PriorFact {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  /** Whether it was passable when it was tried last, and what was seen. */
  readonly ok: boolean;
  readonly says: string;
  readonly at: Date;
  /** False: no command says how it is started. */
  readonly starts: boolean;
  /** The last drill of going there on the live fleet; null: there was none. */
  readonly drill: { readonly at: Date; readonly ok: boolean } | null;
}

export interface LookFact {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly at: Date;
  /** False: it fails what passed before, and what a rollback goes to passes. Null: it could not be told. */
  readonly ok: boolean | null;
  readonly says: string;
}

export interface StoreFact {
  readonly embedded: boolean;
  readonly version: string;
  /** `fsync`, `synchronous_commit`, `full_page_writes`. */
  readonly settings: Readonly<Record<string, string>>;
  /** The database's clock minus ours. */
  readonly clockAheadMs: number;
}

export interface DiskFact {
  readonly folder: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}
