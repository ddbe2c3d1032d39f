export * from "./api/configuration.ts";
export * from "./api/incidents.ts";
export * from "./api/learning.ts";
export * from "./api/ledger.ts";
export * from "./api/recovery.ts";
export * from "./api/runtime.ts";
export { type Call, type CallOptions, type Connection, callTo } from "./call.ts";
export { type Client, createClient } from "./client.ts";
export { Fault, type FaultCode, type FaultContext, faults, isFaultCode } from "./fault.ts";
