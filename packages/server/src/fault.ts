/** Faults are public language: the SDK owns the table, so that client and server cannot disagree. */
export { Fault, type FaultCode, type FaultContext, faults, isFaultCode } from "@lastgood/sdk";
