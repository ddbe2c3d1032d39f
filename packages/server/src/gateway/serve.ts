/**
 * One request, from what the client asks to what is told of it.
 *
 *     route ──> ask the endpoint ──> relay ──> tell
 *       ^              │ the pin moved, and the client has nothing yet
 *       └──────────────┘
 */
import type { ServerResponse } from "node:http";
import type { JsonValue } from "@lastgood/sdk";
import { Fault, faults } from "../fault.ts";
import { newUuid, type World } from "../world.ts";
import { type Asked, requestFor } from "./asked.ts";
import { type Endpoint, EndpointTrouble } from "./endpoint.ts";
import type { ExecutionKeeper } from "./execution-keeper.ts";
import { type Flight, type Flights, PinMoved } from "./flights.ts";
import type { Mirroring } from "./mirroring.ts";
import { type ModelRelease, modelOf } from "./model-release.ts";
import { type Ended, executionOf, keepable, type Passing, samplesOf } from "./passed.ts";
import type { PinnedModel, PinSource } from "./pin-source.ts";
import { ClientLeft, type Relayed, relay, saysOf } from "./relay.ts";
import type { Reports } from "./report.ts";

export interface ServeDeps {
  readonly world: World;
  readonly pins: PinSource;
  readonly keeper: ExecutionKeeper;
  readonly flights: Flights;
  readonly reports: Reports;
  readonly mirroring: Mirroring;
  /** Faults `state_forbids` for one that is not declared. */
  endpoint(name: string): Endpoint;
  /** Whether what passes of the artifact is kept. */
  records(artifact: string): boolean;
}

/** Tried again at most so often because pins moved. */
const movesMax = 5;
const tellRunningAfterMs = 1_000;

export function newExecutionId(world: World): string {
  return `exe_${newUuid(world).replaceAll("-", "")}`;
}

/** Answers the client, whatever happens. `left` aborts when the client goes away. */
export async function serve(
  deps: ServeDeps,
  asked: Asked,
  client: ServerResponse,
  left: AbortSignal,
): Promise<void> {
  const key = newExecutionId(deps.world);
  let passing = await passingOf(deps, asked, { id: key, key, attempt: 1, previous: null });
  for (let moves = 0; ; moves++) {
    try {
      const moved = await pass(deps, passing, client, left, moves < movesMax);
      if (moved === null) return;
      const id = newExecutionId(deps.world);
      tellMoved(deps, passing, { because: moved.message, next: id });
      const next = { id, key, attempt: passing.attempt + 1, previous: passing.id };
      // It is told of as the next one whatever comes of it: who was moved names it.
      passing = { ...passing, ...next };
      passing = await passingOf(deps, asked, next);
    } catch (error) {
      if (passing.attempt > 1) tellUnasked(deps, passing, error);
      throw error;
    }
  }
}

async function passingOf(
  { world, pins, keeper }: ServeDeps,
  asked: Asked,
  place: Pick<Passing, "id" | "key" | "attempt" | "previous">,
): Promise<Passing> {
  const { key } = asked;
  const target = asked.target ?? place.key;
  const route = key === null ? null : await keeper.route({ ...asked, key });
  return {
    ...{ ...place, id: route?.execution ?? place.id },
    ...{ asked, target, release: route?.release ?? pins.resolve(asked.artifact, target) },
    ...{ mirrorOf: null, begunAt: world.now() },
  };
}

/** Null, unless the pin moved before the client had anything: then the request is to be asked again. */
async function pass(
  deps: ServeDeps,
  passing: Passing,
  client: ServerResponse,
  left: AbortSignal,
  mayMove: boolean,
): Promise<PinMoved | null> {
  const { asked, release, target } = passing;
  const { model, endpoint } = servedBy(deps, passing);
  const flight = deps.flights.take(asked, release, target, left);
  const began = performance.now();
  const running = setTimeout(() => tell(deps, passing, null), tellRunningAfterMs);
  let ended: Ended;
  try {
    if (!mayMove) flight.seal();
    const relayed = await through(deps, passing, { model, endpoint, flight, client, left });
    const tookMs = performance.now() - began;
    const firstByteMs = asked.isStream ? relayed.firstByteAt - began : null;
    const { ok, error, reading } = relayed;
    ended = { ok, error, tookMs, firstByteMs, reading, endedAt: deps.world.now() };
  } catch (error) {
    if (error instanceof PinMoved) return error;
    const trouble = answerTrouble(client, { endpoint, passing, error });
    const none = { firstByteMs: null, reading: null, endedAt: deps.world.now() };
    ended = { ...trouble, ...none, tookMs: performance.now() - began };
  } finally {
    clearTimeout(running);
    flight.land();
  }
  tell(deps, passing, ended);
  if (asked.key !== null && asked.ends !== null) {
    deps.keeper.end({ ...asked, key: asked.key }, asked.ends);
  }
  if (ended.ok !== null) deps.mirroring.offer(passing, ended);
  return null;
}

/** A release that cannot be served at all fails each request: that is told of it as well. */
function servedBy(
  deps: ServeDeps,
  passing: Passing,
): { readonly model: ModelRelease; readonly endpoint: Endpoint } {
  const { asked, release } = passing;
  let model: ModelRelease;
  let endpoint: Endpoint;
  try {
    model = modelOf(release);
    endpoint = deps.endpoint(model.endpoint);
  } catch (error) {
    if (!(error instanceof Fault) || release.kind !== "model") throw error;
    const nothing = { tookMs: 0, firstByteMs: null, reading: null, endedAt: deps.world.now() };
    tell(deps, passing, { ...nothing, ok: false, error: error.message });
    throw error;
  }
  if (endpoint.config.api === asked.dialect.api) return { model, endpoint };
  const { artifact, version } = release;
  throw new Fault(
    "state_forbids",
    `${artifact}:${version} is served by ${model.endpoint}, which speaks the API of ${endpoint.config.api}: ask for it with a client of that.`,
    { context: { artifact, version } },
  );
}

async function through(
  { pins }: ServeDeps,
  { asked, release, id }: Passing,
  {
    model,
    endpoint,
    flight,
    client,
    left,
  }: {
    model: ModelRelease;
    endpoint: Endpoint;
    flight: Flight;
    client: ServerResponse;
    left: AbortSignal;
  },
): Promise<Relayed> {
  const { dialect } = asked;
  const { body, hidesUsage } = requestFor(asked, model, endpoint.config.usage);
  const { signal } = flight;
  const answer = await endpoint.ask(
    { dialect, body: Buffer.from(JSON.stringify(body)), headers: headersFor(asked) },
    signal,
  );
  flight.seal();
  if (signal.aborted) throw signal.reason;
  const headers = headersOf(release, id, pins.isStale());
  return await relay(answer, client, { dialect, endpoint, hidesUsage, headers, signal: left });
}

/** The client's own token stays here. */
export function headersFor({ isStream, forwarded }: Pick<Asked, "isStream" | "forwarded">) {
  return {
    "content-type": "application/json",
    accept: isStream ? "text/event-stream" : "application/json",
    "accept-encoding": "identity",
    "user-agent": "lastgood-gateway",
    ...forwarded,
  };
}

function headersOf(
  { artifact, version, epoch }: PinnedModel,
  execution: string,
  isStale: boolean,
): Record<string, string> {
  return {
    "x-lastgood-release": `${artifact}:${version}`,
    "x-lastgood-epoch": String(epoch),
    "x-lastgood-execution": execution,
    ...(isStale ? { "x-lastgood-stale": "true" } : {}),
  };
}

function answerTrouble(
  client: ServerResponse,
  { endpoint, passing, error }: { endpoint: Endpoint; passing: Passing; error: unknown },
): { readonly ok: boolean | null; readonly error: string } {
  if (error instanceof ClientLeft) return { ok: null, error: "its client went away" };
  if (!(error instanceof EndpointTrouble)) throw error;
  const { asked, release, id } = passing;
  const { kind, message } = error;
  const status = kind === "endpoint_stalled" ? 504 : 502;
  answer(client, status, asked.dialect.errorBody(kind, saysOf(endpoint, error)), {
    ...headersOf(release, id, false),
  });
  return { ok: false, error: `${endpoint.name}: ${message}` };
}

function tell({ reports, records }: ServeDeps, passing: Passing, ended: Ended | null): void {
  const isStep = passing.asked.key !== null;
  const keeps = records(passing.asked.artifact);
  reports.tell({
    samples: ended === null ? [] : samplesOf(passing, ended),
    // A step of larger work is no execution of its own.
    executions: isStep ? [] : [executionOf(passing, ended, keeps)],
  });
}

/** It went on from another one, and could not be asked. */
function tellUnasked({ reports, world }: ServeDeps, passing: Passing, error: unknown): void {
  const says = error instanceof Fault ? keepable(error.message.slice(0, 300)) : "it was not served";
  const nothing = { tookMs: 0, firstByteMs: null, reading: null, endedAt: world.now() };
  const ended = { ...nothing, ok: false, error: says };
  reports.tell({ samples: [], executions: [executionOf(passing, ended, false)] });
}

/** It was cancelled, and goes on as the next one. */
function tellMoved(
  { reports, world }: ServeDeps,
  passing: Passing,
  { because, next }: { readonly because: string; readonly next: string },
): void {
  const execution = executionOf(passing, null, false);
  const endedAt = world.now().toISOString();
  const moved = { ...execution, state: "retried", error: because, next, endedAt } as const;
  reports.tell({ samples: [], executions: [moved] });
}

export function answer(
  client: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (client.headersSent || client.destroyed) {
    client.destroy();
    return;
  }
  const text = JSON.stringify(body);
  client.writeHead(status, {
    ...headers,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  client.end(text);
}

/** A fault in the words of the API that the client speaks. */
export function answerFault(
  client: ServerResponse,
  { errorBody }: Pick<Asked["dialect"], "errorBody">,
  fault: Fault,
): void {
  const { status, retry } = faults[fault.code];
  const body = errorBody(fault.code, fault.message) as JsonValue;
  // Clients try some statuses again by themselves: it is said whether that helps.
  answer(client, status, body, { "x-should-retry": String(retry === "later") });
}
