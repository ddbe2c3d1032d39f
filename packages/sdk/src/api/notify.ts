import { type Call, segment } from "../call.ts";

export type PageState = "nobody-to-call" | "called" | "acknowledged" | "resolved";

/** One message on its way to a person. */
export interface PageDelivery {
  /** What the receiver knows it by: the same on every attempt. */
  readonly id: string;
  readonly incident: string;
  readonly kind: "trigger" | "acknowledge" | "resolve" | "announce";
  readonly person: string;
  readonly channel: "pagerduty" | "webhook";
  readonly state: "waiting" | "delivered" | "undeliverable";
  readonly attempts: number;
  /** Why the last attempt did not arrive; empty when it did. */
  readonly because: string;
  readonly createdAt: string;
  readonly settledAt: string | null;
}

/** The one call to a person about an incident. */
export interface Page {
  readonly incident: string;
  readonly severity: "critical" | "high" | "low";
  readonly summary: string;
  /** Who is responsible, as it was asked for. */
  readonly owner: string | null;
  /** Who is being called; null while there is nobody to call. */
  readonly person: string | null;
  readonly state: PageState;
  readonly openedAt: string;
  readonly acknowledgedAt: string | null;
  readonly acknowledgedBy: string | null;
  readonly resolvedAt: string | null;
  readonly details: Readonly<Record<string, unknown>>;
  readonly deliveries: readonly PageDelivery[];
}

export interface PageQuery {
  readonly state?: PageState;
  /** At most this many, newest first. 1 to 200; default 50. */
  readonly limit?: number;
}

export interface PageDeliveryQuery {
  readonly incident?: string;
  readonly state?: PageDelivery["state"];
  /** At most this many, oldest first. 1 to 1,000; default 100. */
  readonly limit?: number;
}

export function notifyApi(call: Call) {
  return {
    pages: (query: PageQuery = {}) =>
      call<{ readonly pages: readonly Page[] }>("GET", "/v1/pages", { query: { ...query } }),
    page: (incident: string) => call<Page>("GET", `/v1/pages/${segment(incident)}`),
    acknowledgePage: (incident: string) =>
      call<Page>("POST", `/v1/pages/${segment(incident)}/acknowledge`, { body: {} }),
    /** What could not be delivered about this incident is tried again from the beginning. */
    retryPage: (incident: string) =>
      call<{ readonly retried: number }>("POST", `/v1/pages/${segment(incident)}/retry`, {
        body: {},
      }),
    pageDeliveries: (query: PageDeliveryQuery = {}) =>
      call<{ readonly deliveries: readonly PageDelivery[] }>("GET", "/v1/page-deliveries", {
        query: { ...query },
      }),
    /** Calls the person and takes it back at once. `pageDeliveries({ incident })` tells how it went. */
    rehearsePage: (person: string) =>
      call<{ readonly incident: string }>("POST", `/v1/people/${segment(person)}/rehearse`, {
        body: {},
      }),
    /** What the person's webhook checks signatures with. */
    webhookSecret: (person: string) =>
      call<{ readonly secret: string }>("GET", `/v1/people/${segment(person)}/webhook-secret`),
    replaceWebhookSecret: (person: string) =>
      call<{ readonly secret: string }>("POST", `/v1/people/${segment(person)}/webhook-secret`, {
        body: {},
      }),
  };
}
