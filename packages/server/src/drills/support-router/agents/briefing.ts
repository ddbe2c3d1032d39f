/** What each process of the world gets from whoever starts it, in LASTGOOD_DRILL_AGENT as JSON. */

export interface EndpointBriefing {
  readonly port: number;
  readonly directoryPorts: readonly number[];
}

export interface DirectoryBriefing {
  readonly ports: readonly number[];
}

export interface TriageBriefing {
  readonly name: string;
  readonly folder: string;
  readonly url: string;
  readonly token: string;
  readonly gateway: string;
  readonly port: number;
}

export interface DeskBriefing {
  readonly folder: string;
  readonly url: string;
  readonly token: string;
  readonly triagers: readonly number[];
  readonly seed: number;
  readonly perSecond: number;
}

export function briefing<T>(): T {
  return JSON.parse(process.env.LASTGOOD_DRILL_AGENT ?? "{}") as T;
}
