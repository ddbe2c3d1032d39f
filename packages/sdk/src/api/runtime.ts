import { type Call, segment } from "../call.ts";

/** A service as it runs now, and what Lastgood remembers of it. Times are ISO 8601 in UTC. */
export interface Service {
  readonly name: string;
  /** How Lastgood serves it: `none` means that it cannot put it back. */
  readonly adapter: "process" | "command" | "none";
  readonly repository: string | null;
  readonly state: "serving" | "restarting" | "not-serving" | "stopped" | "unreadable";
  /** Why it could not be read; null otherwise. */
  readonly because: string | null;
  readonly revision: string | null;
  readonly since: string | null;
  readonly pid: number | null;
  readonly restarts: number;
  readonly port: number | null;
  /** The change in the ledger that brought the revision. */
  readonly deploy: string | null;
  readonly tip: string | null;
  /** A recovery or a person set the revision: deploys on push wait. */
  readonly pinned: {
    /** The change that set it. */
    readonly by: string;
    /** Until the recovery is verified, or until a person deploys the tip. */
    readonly until: "recovered" | "person";
    readonly because: string;
    readonly at: string;
  } | null;
  readonly failure: {
    readonly revision: string;
    readonly at: string;
    readonly attempts: number;
    readonly because: string;
  } | null;
  /** What the gate does not let out. */
  readonly held: {
    readonly revision: string;
    readonly because: string;
    readonly at: string;
  } | null;
}

export interface ServiceDetails extends Service {
  /** Null: healthy. */
  readonly unhealthy: string | null;
  /** Served files that differ from the revision; null where that cannot be seen. */
  readonly drift: readonly string[] | null;
  /** Newest first, at most 50. */
  readonly events: readonly ServiceEvent[];
}

export interface ServiceEvent {
  readonly at: string;
  /** Such as `deploy.failed`, `deploy.held`, `instance.exited`. */
  readonly event: string;
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface DeployRequest {
  /** A full commit id; the branch's tip without it. Deploys on push wait after one that is not the tip. */
  readonly revision?: string;
  readonly reason?: string;
  /** Deploys what the gate holds; needs a reason. */
  readonly override?: boolean;
}

export interface DeployResult {
  readonly revision: string;
  /** It was served already: nothing was done. */
  readonly already: boolean;
  readonly since: string;
}

/** A deploy answers when the new instance serves and the old one has ended. */
const deployMsMax = 300_000;

export function runtimeApi(call: Call) {
  return {
    services: (signal?: AbortSignal) =>
      call<{ readonly services: readonly Service[] }>("GET", "/v1/services", {
        ...(signal && { signal }),
      }),
    service: (name: string) => call<ServiceDetails>("GET", `/v1/services/${segment(name)}`),
    deployService: (name: string, body: DeployRequest = {}) =>
      call<DeployResult>("POST", `/v1/services/${segment(name)}/deploy`, {
        body,
        timeoutMs: deployMsMax,
      }),
    stopService: (name: string) =>
      call<{ readonly stopped: boolean }>("POST", `/v1/services/${segment(name)}/stop`, {
        timeoutMs: deployMsMax,
      }),
    /** The last `bytes` of what its instances wrote, at most 1 MiB. */
    serviceLogs: (name: string, bytes = 65_536) =>
      call<{ readonly text: string }>("GET", `/v1/services/${segment(name)}/logs`, {
        query: { bytes },
      }),
  };
}
