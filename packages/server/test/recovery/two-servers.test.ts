/** A recovery that two servers may run, of a service whose samples come to one of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Replica } from "../rollouts/replica.ts";
import { type Servers, startTwoServers } from "../rollouts/two-servers.ts";
import { until } from "../support/until.ts";

const config = `
mode: watch
services: { api: {} }
rules:
  publishing: { service: api, signal: publish, objective: 0.9, minSamples: 20, sustain: 1s }
`;

test("the server that gets no samples of the service leaves it to the one that does", async () => {
  await using servers = await startTwoServers(config);
  const [hears, deaf] = servers.replicas;
  let clock = Date.now() - 60_000;
  let sent = 0;
  const feed = (n: number, ok: boolean) =>
    hears.client.sendSamples(
      Array.from({ length: n }, () => {
        clock += 50;
        sent += 1;
        const at = new Date(clock).toISOString();
        return { service: "api", signal: "publish", ok, key: `e${sent}`, at };
      }),
    );
  await feed(300, true);
  const { id } = await until("the incident", async () => {
    await feed(40, false);
    return (await hears.client.incidents()).incidents[0];
  });
  await until("its decision", async () => (await hears.client.incident(id)).state === "decided");
  await hears.client.takeIncident(id, "mine");
  try {
    await stopBetweenTransactions(servers, hears);
    await deaf.client.finishIncident(id, "I put it right");
    await until("the deaf one to have looked", async () => {
      const { recoveries } = await deaf.client.recoveries({});
      const [proof] = recoveries;
      assert.notEqual(proof?.state, "failed", proof?.because);
      return proof?.because.includes("none came to this server");
    });
  } finally {
    process.kill(hears.pid(), "SIGCONT");
  }
  const [proof] = (await deaf.client.recoveries({})).recoveries;
  await until("the proof", async () => {
    await feed(5, true);
    const { state, because } = await hears.client.recovery(proof?.id ?? "");
    assert.notEqual(state, "failed", because);
    return state === "verified";
  });
});

/** Stopped within one, it would hold what that had locked, and the other server would wait for it. */
async function stopBetweenTransactions({ db }: Servers, replica: Replica): Promise<void> {
  await until("it to be stopped between its transactions", async () => {
    process.kill(replica.pid(), "SIGSTOP");
    const open = await db`
      select from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend'
        and state <> 'idle' and pid <> pg_backend_pid()`;
    if (open.length === 0) return true;
    process.kill(replica.pid(), "SIGCONT");
    return null;
  });
}
