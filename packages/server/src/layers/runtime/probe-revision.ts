import type { Config } from "../../config/config.ts";
import { pathOf } from "../../json/pointer.ts";

/** What a service says of itself under a probe that declares where its revision stands. */
export interface SaidRevision {
  readonly url: string;
  readonly revision: string | null;
  /** Why there is no revision. */
  readonly because: string;
}

const bodyCharsMax = 1_048_576;

/** Asks every probe of the service that declares a pointer to the revision; empty where none does. */
export async function servedRevision(
  config: Config,
  service: string,
  signal: AbortSignal,
): Promise<readonly SaidRevision[]> {
  const declared = config.services[service];
  const base = declared === undefined ? null : baseOf(declared);
  if (declared === undefined || base === null) return [];
  const probes = Object.values(declared.probes).flatMap(({ path, timeout, revision }) =>
    revision === undefined ? [] : [{ url: new URL(path, base).href, timeout, revision }],
  );
  return await Promise.all(probes.map((probe) => ask(probe, signal)));
}

function baseOf({ url, runtime }: Config["services"][string]): string | null {
  if (url !== undefined) return url;
  return runtime?.adapter === "process" ? `http://127.0.0.1:${runtime.port}` : null;
}

interface Probe {
  readonly url: string;
  readonly timeout: number;
  readonly revision: string;
}

async function ask({ url, timeout, revision }: Probe, signal: AbortSignal): Promise<SaidRevision> {
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
    const answer = await fetch(url, { redirect: "manual", signal: within });
    const text = (await answer.text()).slice(0, bodyCharsMax);
    const said = at(JSON.parse(text), pathOf(revision));
    return typeof said === "string"
      ? { url, revision: said, because: "" }
      : { url, revision: null, because: `nothing at ${revision}` };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    return { url, revision: null, because: `nothing (${String(error)})` };
  }
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (within, key) =>
      typeof within === "object" && within !== null && Object.hasOwn(within, key)
        ? (within as Record<string, unknown>)[key]
        : undefined,
    value,
  );
}
