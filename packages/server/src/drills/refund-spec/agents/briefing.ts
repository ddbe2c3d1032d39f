/** What each process of the world gets from whoever starts it, in LASTGOOD_DRILL_AGENT as JSON. */

export interface PaymentsBriefing {
  readonly folder: string;
  readonly port: number;
}

export interface PreviewBriefing {
  readonly port: number;
}

export interface ServiceBriefing {
  readonly name: string;
  readonly folder: string;
  readonly url: string;
  readonly token: string;
  readonly port: number;
  readonly payments: string;
}

export interface CustomersBriefing {
  readonly folder: string;
  readonly url: string;
  readonly token: string;
  readonly seed: number;
  readonly agentPorts: readonly number[];
}

export function briefing<T>(): T {
  return JSON.parse(process.env.LASTGOOD_DRILL_AGENT ?? "{}") as T;
}
