import { type Call, segment } from "../call.ts";
import type { Execution } from "./executions.ts";
import type { JsonValue } from "./state.ts";

/** What a gateway observed of a release. */
export interface GatewaySample {
  /** `artifact:version`. */
  readonly release: string;
  readonly service: string;
  readonly signal: string;
  readonly at: string;
  readonly ok?: boolean | undefined;
  readonly value?: number | undefined;
  readonly key?: string | undefined;
  readonly dimensions?: Readonly<Record<string, string>> | undefined;
}

/** A request that passed, as a gateway knows it. Told again under the same id, it is brought up to date. */
export interface GatewayExecution
  extends Pick<
    Execution,
    | "id"
    | "artifact"
    | "key"
    | "attempt"
    | "target"
    | "version"
    | "epoch"
    | "state"
    | "agent"
    | "session"
    | "dimensions"
    | "error"
    | "previous"
    | "next"
    | "mirrorOf"
    | "begunAt"
    | "endedAt"
  > {
  readonly input?: JsonValue | undefined;
  readonly output?: JsonValue | undefined;
  /** SHA-256 of the output's canonical text. */
  readonly outputDigest: string | null;
}

export interface GatewayReport {
  readonly samples: readonly GatewaySample[];
  readonly executions: readonly GatewayExecution[];
}

/** A part of an artifact's live requests is also sent to another release, whose answers nobody gets. */
export interface Mirror {
  readonly environment: string;
  readonly artifact: string;
  readonly version: string;
  readonly percent: number;
  readonly by: string;
  readonly because: string;
  readonly begunAt: string;
  readonly until: string;
}

/** What a gateway has to know besides the pins. */
export interface GatewayOrders {
  readonly mirrors: readonly (Mirror & { readonly content: JsonValue })[];
}

export interface GatewayCaller {
  readonly name: string;
  readonly agent: string | null;
}

export function gatewayApi(call: Call) {
  const mirror = (env: string, artifact: string) =>
    `/v1/environments/${segment(env)}/mirrors/${segment(artifact)}`;
  return {
    /** Whose token this is, for a gateway that was handed it. */
    gatewayCaller: (signal?: AbortSignal) =>
      call<GatewayCaller>("GET", "/v1/gateway/caller", {
        timeoutMs: 5_000,
        ...(signal && { signal }),
      }),
    /** What passed through a gateway of its own; the answer is what it has to know. */
    reportGateway: (env: string, report: GatewayReport) =>
      call<GatewayOrders>("POST", `/v1/environments/${segment(env)}/gateway/reports`, {
        body: report,
        timeoutMs: 10_000,
      }),
    mirrors: (env: string) =>
      call<{ readonly mirrors: readonly Mirror[] }>(
        "GET",
        `/v1/environments/${segment(env)}/mirrors`,
      ),
    /** For at most 7 days; default an hour. */
    startMirror: (
      env: string,
      artifact: string,
      wanted: {
        readonly version: string;
        readonly percent: number;
        readonly forMs?: number | undefined;
        readonly because?: string | undefined;
      },
    ) => call<Mirror>("PUT", mirror(env, artifact), { body: { ...wanted } }),
    endMirror: (env: string, artifact: string) =>
      call<{ readonly ended: boolean }>("DELETE", mirror(env, artifact)),
  };
}
