/** A server with releases, and the words that tests about them share. */
import assert from "node:assert/strict";
import type { Client, FaultCode } from "@lastgood/sdk";
import type { IncidentId } from "../../src/ids.ts";
import { freezeIncident, openIncident } from "../../src/incidents/incident.ts";
import {
  insertIncident,
  moveIncident,
  requireIncident,
} from "../../src/incidents/incident-store.ts";
import type { Db } from "../../src/store/database.ts";
import { newId, realWorld } from "../../src/world.ts";
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

/** An incident that waits for a person. */
export async function openFrozenIncident(db: Db): Promise<IncidentId> {
  const id = newId<IncidentId>(realWorld, "inc");
  const now = new Date();
  const opened = openIncident({
    ...{ id, kind: "contradiction", signature: "contradiction refunds", severity: "high" },
    ...{ service: "support", title: "refunds are contested", onset: now },
    ...{ detectedAt: now, openedAt: now },
  });
  // At once, or the loop would investigate it first.
  await db.begin(async (tx) => {
    await insertIncident(tx, opened, null);
    await moveIncident(tx, await requireIncident(tx, id), freezeIncident(opened, "contested"));
  });
  return id;
}
