/** A server with releases, and the words that tests about them share. */
import assert from "node:assert/strict";
import type { Client, FaultCode } from "@lastgood/sdk";
import { startServer, type TestServer } from "../support/server.ts";

export const production = "production";
export const artifact = "customer-service";

/** `customer-service`, a spec with a policy, and these releases of it. */
export async function startReleases(
  versions: readonly string[] = [],
  config: unknown = {},
): Promise<TestServer> {
  const server = await startServer(config);
  await server.client.declareArtifact(artifact, { kind: "spec", inFlight: "switch" });
  await publish(server.client, ...versions);
  return server;
}

export async function publish(client: Client, ...versions: readonly string[]): Promise<void> {
  for (const version of versions) {
    await client.publishRelease(artifact, { version, content: contentOf(version) });
  }
}

export function contentOf(version: string) {
  return { version, refundLimit: 500 };
}

export function deploy(client: Client, version: string, percent = 100, because = "") {
  return client.deployRelease(production, artifact, { version, percent, because });
}

/** For `assert.rejects`: the fault's code, and what it says. */
export function refused(code: FaultCode, says: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof Error);
    assert.equal((error as { code?: string }).code, code, error.message);
    assert.match(error.message, says);
    return true;
  };
}
