/** What a worker of any side is told, in PEERS_WORKER as JSON. */
export interface Briefing {
  /** What a queue would hand it: all that nobody reported as completed, in order. */
  readonly tasks: readonly string[];
  /** Each task has so many, one after another, and each of them acts once on the outside. */
  readonly steps: number;
  /** Whether the outside can be asked what it has. Many cannot: a mail is sent, a webhook called. */
  readonly looksUp: boolean;
  readonly outside: string;
}

export interface PeerBriefing extends Briefing {
  readonly databaseUrl: string;
  /** Makes its tables, and ends. */
  readonly prepares: boolean;
  /** DBOS alone: a queue of the program's own, asked so often. Null: its workflows are started directly. */
  readonly queuePollMs: number | null;
}

export interface OwnBriefing extends Briefing {
  readonly url: string;
  readonly token: string;
}

export function readBriefing<T extends Briefing>(): T {
  return JSON.parse(process.env.PEERS_WORKER ?? "{}") as T;
}
