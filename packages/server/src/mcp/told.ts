import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { Fault } from "../fault.ts";

/** Resources and prompts have no failed answer of their own: the fault goes as the protocol's error. */
export async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { code, message, context } = error;
    const kind = code === "bad_input" || code === "not_found" ? "InvalidParams" : "InternalError";
    throw new ProtocolError(ProtocolErrorCode[kind], `${code}: ${message}`, { ...context, code });
  }
}

/** Of a template's variable; empty where the address leaves it out. */
export function one(variable: string | string[] | undefined): string {
  return (Array.isArray(variable) ? variable[0] : variable) ?? "";
}
