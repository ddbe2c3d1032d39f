/** Work of several requests that takes longer than a silence may: whoever keeps executions hears that it goes on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Execution } from "@lastgood/sdk";
import { Fault } from "../../src/fault.ts";
import { askedOf } from "../../src/gateway/asked.ts";
import { openai } from "../../src/gateway/dialect.ts";
import { createExecutionKeeper } from "../../src/gateway/execution-keeper.ts";
import type { PinnedModel } from "../../src/gateway/pin-source.ts";

const minuteMs = 60_000;
const caller = { name: "triager", agent: "triager" };
const headers = { "x-lastgood-execution": "job-1" };
const asked = { ...askedOf(openai, caller, headers, '{"model": "router"}'), key: "job-1" };

/** A keeper whose clock is moved by hand, before books that count what they are asked. */
function stage() {
  const release: PinnedModel = {
    ...{ environment: "production", artifact: "router", kind: "model", version: "1", epoch: 1 },
    ...{ inFlight: "finish-old", content: {} },
  };
  const execution = { id: "exe_1", artifact: "router", key: "job-1", version: "1" } as Execution;
  const heard: string[] = [];
  const state: { now: number; fault: Fault | null; isSilent: boolean } = {
    ...{ now: 0, fault: null, isSilent: false },
  };
  let ids = 0;
  const hear = (what: string) => {
    heard.push(what);
    if (state.fault !== null) throw state.fault;
  };
  const keeper = createExecutionKeeper({
    pins: {
      ...{ environment: "production", resolve: () => release, isStale: () => false },
      ...{ epoch: () => 1, onMove: () => () => {} },
    },
    books: {
      async begin() {
        hear("begin");
        if (state.isSilent) await new Promise<never>(() => {});
        return { go: "run", execution };
      },
      async step() {
        hear("step");
        return { go: "on", execution };
      },
      end: async () => {},
      release: async () => null,
    },
    ...{ newId: () => `exe_${++ids}`, inputOf: () => undefined, begunAlone: () => {} },
    now: () => state.now,
  });
  const ask = async (atMinute: number) => {
    state.now = atMinute * minuteMs;
    return (await keeper.route(asked)).release.version;
  };
  return { keeper, ask, heard, state };
}

test("requests that come close together ask nobody, and over a longer time say that the work goes on", async () => {
  const { ask, heard } = stage();
  for (let minute = 0; minute <= 60; minute++) assert.equal(await ask(minute), "1");
  assert.deepEqual(heard.slice(0, 2), ["begin", "step"]);
  assert.ok(heard.length >= 5 && heard.length <= 13, `${heard.length} within an hour`);
});

test("while nobody is there it goes on, and does not wait for an answer at each request", async () => {
  const { ask, heard, state } = stage();
  await ask(0);
  state.fault = new Fault("server_unreachable", "nobody is there");
  for (let minute = 0; minute <= 60; minute++) assert.equal(await ask(minute), "1");
  assert.ok(heard.length <= 13, `${heard.length} within an hour`);
});

test("work that was silent for so long that it is over in the books is served all the same", async () => {
  const { ask, state } = stage();
  await ask(0);
  state.fault = new Fault("state_forbids", "exe_1 is finished: it takes no further steps");
  assert.equal(await ask(90), "1");
});

test("requests of one work that come at once are begun as one, also where nobody answers", async () => {
  const { keeper, heard, state } = stage();
  state.isSilent = true;
  const routes = await Promise.all(Array.from({ length: 10 }, () => keeper.route(asked)));
  assert.deepEqual([...new Set(routes.map(({ execution }) => execution))], ["exe_1"]);
  assert.deepEqual(heard, ["begin"]);
});
