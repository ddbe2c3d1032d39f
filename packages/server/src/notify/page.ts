/** Whom to call, and what is said to them. Pure. */
import type { Config } from "../config/config.ts";
import type { PageRequest } from "./notify.ts";

export type Channel = "pagerduty" | "webhook";
export type DeliveryKind = "trigger" | "acknowledge" | "resolve" | "announce";

/** A page as it is recorded. */
export interface Page {
  readonly incident: string;
  readonly severity: PageRequest["severity"];
  readonly summary: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly owner: string | null;
  readonly person: string | null;
  readonly state: "nobody-to-call" | "called" | "acknowledged" | "resolved";
  readonly openedAt: Date;
  readonly acknowledgedAt: Date | null;
  readonly acknowledgedBy: string | null;
  readonly resolvedAt: Date | null;
}

/** How a person can be reached, in the order in which it is tried; empty: not at all. */
export function channelsOf(config: Config, person: string): readonly Channel[] {
  const found = own(config.people, person);
  if (found === undefined) return [];
  return [
    ...(found.pagerduty === undefined ? [] : (["pagerduty"] as const)),
    ...(found.webhook === undefined ? [] : (["webhook"] as const)),
  ];
}

/**
 * Who can be called for `owner`, best first: the owner, or the person who owns that agent; then
 * `pages.owner`; then everybody else as declared, for a call to the wrong person beats none.
 */
export function callOrder(config: Config, owner: string | null): readonly string[] {
  const responsible = owner === null ? [] : peopleBehind(config, owner);
  const order = [...responsible, config.pages.owner ?? "", ...Object.keys(config.people)];
  return [...new Set(order)].filter((person) => channelsOf(config, person).length > 0);
}

/** Everybody whose webhook is told how an incident goes. */
export function audienceOf(config: Config): readonly string[] {
  return Object.keys(config.people).filter((person) =>
    channelsOf(config, person).includes("webhook"),
  );
}

function peopleBehind(config: Config, owner: string): readonly string[] {
  const seen = new Set<string>();
  for (let at: string | undefined = owner; at !== undefined && !seen.has(at); ) {
    if (own(config.people, at) !== undefined) return [at];
    seen.add(at);
    at = own(config.agents, at)?.owner;
  }
  return [];
}

function own<T>(from: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(from, key) ? from[key] : undefined;
}

/** What a delivery says, before it takes the form of its channel. */
export interface Word {
  readonly kind: DeliveryKind;
  readonly incident: string;
  /** Such as `page.triggered` or `incident.contained`. */
  readonly type: string;
  readonly at: Date;
  readonly severity: PageRequest["severity"];
  readonly summary: string;
  readonly details: Readonly<Record<string, unknown>>;
}

const summaryLettersMax = 1_000;
const detailsLettersMax = 32_000;

/** The body for a channel: the same word gives the same text. */
export function bodyFor(channel: Channel, word: Word): string {
  return channel === "pagerduty" ? pagerdutyEvent(word) : webhookEvent(word);
}

/** Events API v2, without `routing_key`: that is added when it is sent, and never stored. */
function pagerdutyEvent({ kind, incident, at, severity, summary, details }: Word): string {
  if (kind !== "trigger") return JSON.stringify({ event_action: kind, dedup_key: incident });
  const severities = { critical: "critical", high: "error", low: "warning" } as const;
  return JSON.stringify({
    event_action: "trigger",
    dedup_key: incident,
    client: "Lastgood",
    payload: {
      summary: summary.slice(0, summaryLettersMax),
      source: "lastgood",
      severity: severities[severity],
      timestamp: at.toISOString(),
      custom_details: bounded(details),
    },
  });
}

function webhookEvent({ type, incident, at, severity, summary, details }: Word): string {
  return JSON.stringify({
    type,
    timestamp: at.toISOString(),
    data: {
      incident,
      severity,
      summary: summary.slice(0, summaryLettersMax),
      details: bounded(details),
    },
  });
}

/** Receivers refuse large events: details over the limit are left out, and that is said. */
function bounded(details: Word["details"]): Word["details"] {
  return JSON.stringify(details).length <= detailsLettersMax
    ? details
    : { omitted: `the details are over ${detailsLettersMax} letters: see lastgood incident show` };
}
