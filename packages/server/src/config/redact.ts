import type { Config } from "./config.ts";

/** Stands where a value is not shown. */
export const hidden = "(not shown)";

/**
 * The configuration as it may be shown to every viewer: without environment values, passwords in URLs,
 * and the paths of webhooks, which often hold a key.
 */
export function redact(config: Config): Config {
  return {
    ...config,
    repositories: mapValues(config.repositories, (each) => ({
      ...each,
      url: withoutPassword(each.url),
    })),
    services: mapValues(config.services, (service) => ({
      ...service,
      ...(service.url === undefined ? {} : { url: withoutPassword(service.url) }),
      ...(service.runtime?.adapter === "process"
        ? { runtime: { ...service.runtime, env: mapValues(service.runtime.env, () => hidden) } }
        : {}),
    })),
    people: mapValues(config.people, (person) => ({
      ...person,
      ...(person.webhook === undefined ? {} : { webhook: originOf(person.webhook) }),
    })),
    gateway: {
      ...config.gateway,
      endpoints: mapValues(config.gateway.endpoints, (each) => ({
        ...each,
        url: withoutPassword(each.url),
      })),
    },
    messages: { ...config.messages, url: withoutPassword(config.messages.url) },
  };
}

/** `https://name:secret@host/x` -> `https://host/x`; what is not a URL stays as it is. */
export function withoutPassword(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, "$1");
}

function originOf(url: string): string {
  return `${new URL(url).origin}/${hidden}`;
}

function mapValues<T, U>(
  from: Readonly<Record<string, T>>,
  to: (value: T) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, to(value)]));
}
