export * from "./api/access.ts";
export * from "./api/briefs.ts";
export * from "./api/checkpoints.ts";
export * from "./api/checks.ts";
export * from "./api/code.ts";
export * from "./api/configuration.ts";
export * from "./api/coverage.ts";
export * from "./api/effects.ts";
export * from "./api/executions.ts";
export * from "./api/gate.ts";
export * from "./api/gateway.ts";
export * from "./api/incidents.ts";
export * from "./api/learning.ts";
export * from "./api/ledger.ts";
export * from "./api/messages.ts";
export * from "./api/notify.ts";
export * from "./api/recovery.ts";
export * from "./api/releases.ts";
export * from "./api/rollouts.ts";
export * from "./api/runtime.ts";
export * from "./api/sessions.ts";
export * from "./api/signals.ts";
export * from "./api/skills.ts";
export * from "./api/state.ts";
export * from "./api/tasks.ts";
export * from "./api/work-trees.ts";
export { bucketOf, chosen, murmur3 } from "./bucket.ts";
export { type Call, type CallOptions, type Connection, callTo } from "./call.ts";
export { checkpointMessage, parseCheckpoint } from "./checkpoint.ts";
export { payloadOf } from "./claim.ts";
export { createClient, type Lastgood } from "./client.ts";
export { type ConsumeOptions, consume, type Handling, Rejected } from "./consume.ts";
export { Fault, type FaultCode, type FaultContext, faults, isFaultCode } from "./fault.ts";
export type { Client } from "./operations.ts";
export type { ReleaseCache } from "./release-cache.ts";
export type { Releases, ReleasesOptions, Resolved, SnapshotStorage } from "./releases.ts";
export {
  type AgentSession,
  DidNotHappen,
  type EffectOptions,
  type SessionHandling,
  type SessionOptions,
} from "./session.ts";
export { splitRelease, whyNoVersion } from "./version.ts";
export { type Work, WorkCancelled, type WorkOptions } from "./work.ts";
