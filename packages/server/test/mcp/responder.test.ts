import assert from "node:assert/strict";
import { test } from "node:test";
import type { IncidentDossier } from "@lastgood/sdk";
import { serveOverHttp } from "../../src/mcp/http.ts";
import { startBrokenPage } from "../recovery/broken-page.ts";
import { until } from "../support/until.ts";
import { connectHost, type Host } from "./hosts.ts";

interface Notice {
  readonly token: string;
  readonly payload: { readonly type: string; readonly details: IncidentDossier };
}

async function next(host: Host): Promise<Notice["payload"]> {
  const { message } = (await host.ok("inbox_next", { wait_seconds: 40 })) as { message: Notice };
  assert.ok(message, "nothing came");
  await host.ok("message_ack", { token: message.token });
  return message.payload;
}

test("a responder over MCP takes an incident from its inbox to a plan to a run, under its own name", async () => {
  await using world = await startBrokenPage();
  const { server } = world;
  const { url } = server.lastgood;
  const mcp = await serveOverHttp({ ...{ url, port: 0, version: "test" }, report: console.error });
  try {
    const hostOf = async (agent: string) => await server.tokenAs("agent", agent);
    await using responder = await connectHost("v2", { url, token: await hostOf("responder") });
    await using timid = await connectHost("v1", { mcpUrl: mcp.url, token: await hostOf("timid") });
    const marketingToken = await hostOf("marketing");
    await using marketing = await connectHost("v1", { mcpUrl: mcp.url, token: marketingToken });
    await responder.ok("session_start");
    await world.breakIt();
    assert.equal(await world.status(), 500);

    assert.equal((await next(responder)).type, "incident.opened");
    const { type, details } = await next(responder);
    assert.equal(type, "incident.decided");
    const { incident } = details;
    const { incidents } = (await responder.ok("incidents")) as { incidents: { id: string }[] };
    assert.deepEqual(
      incidents.map(({ id }) => id),
      [incident],
    );
    const found = (await responder.ok("suspects", { incident })) as unknown as {
      suspects: { change: string; agent: string; posterior: number; observations: string[] }[];
      recovery: string;
    };
    const [guilty] = found.suspects;
    assert.ok(guilty);
    assert.deepEqual([guilty.agent, guilty.posterior > 0.8], ["backend", true]);
    assert.ok(guilty.observations.length > 0);

    // Lastgood's own plan waits: it is not for everybody to let it run.
    const waits = await responder.ok("recover_show", { recovery: found.recovery });
    const theirs = { recovery: found.recovery, digest: waits.digest };
    assert.equal((await marketing.fails("approve", theirs)).code, "not_yours");
    assert.equal((await marketing.fails("recover_plan", { incident })).code, "not_yours");
    const beyond = await timid.fails("approve", theirs);
    assert.equal(beyond.code, "beyond_authority");
    assert.match(beyond.text, /mode is propose.*lastgood approve rec_.*will not help/);

    const planned = await responder.ok("recover_plan", { incident, because: "the title is gone" });
    assert.deepEqual([planned.changes, planned.plannedBy], [[guilty.change], "responder"]);
    const { id: recovery, digest } = planned;
    assert.equal((await responder.fails("approve", { recovery, digest })).code, "approval_needed");
    assert.equal((await timid.fails("recover_run", { recovery, digest })).code, "beyond_authority");
    assert.equal(await world.status(), 500, "who was refused moved nothing");
    await responder.ok("recover_run", { recovery, digest });
    const done = await until(
      "the recovery",
      async () => {
        const now = await responder.ok("recover_show", { recovery });
        assert.notEqual(now.state, "failed", String(now.because));
        return now.state === "verified" ? now : null;
      },
      60_000,
    );
    assert.equal(done.runBy, "responder");
    assert.equal(await world.status(), 200);
    const rest: string[] = [];
    while (!rest.includes("incident.all-clear")) rest.push((await next(responder)).type);

    const { timeline } = await server.client.incident(incident);
    const acts = timeline.filter(({ actor }) => actor === "responder");
    assert.deepEqual(
      acts.map(({ event }) => event),
      ["recovery.planned", "recovery.started"],
    );
    const { audits } = await server.client.audits({ actor: "timid", outcome: "denied" });
    assert.ok(audits.length >= 2, "who was refused is in the audit");
  } finally {
    await mcp.stop();
  }
});
