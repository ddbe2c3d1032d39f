/**
 * Keeps what there is in step with lastgood.yaml.
 *
 *   R1. What the books already hold as declared is not asked for again at the start: a fleet of
 *       thousands starts as fast as one agent.
 *   R2. NATS is another's: somebody may delete there what we made. So it is asked after the start, and
 *       every ten minutes from then on.
 *   R3. A declaration that the engine refuses stops only itself. It is said when it changes, and tried
 *       again with the next asking.
 */
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { Configuration } from "../../config/config.ts";
import { Fault } from "../../fault.ts";
import type { Core } from "./core.ts";
import { type Declared, declaredBy } from "./declared.ts";
import { ensureConsumer, ensureStream } from "./registry.ts";
import { listConsumers, listStreams } from "./registry-store.ts";

const askAgainMs = 600_000;
const retryMs = 60_000;
const together = 16;
const nothing: Declared = { streams: new Map(), consumers: new Map() };

export function createDeclarer(core: Core, configuration: Configuration, log: Logger) {
  const said = new Map<string, string>();
  let known: Declared | null = null;
  let done: object | null = null;
  let askAt = core.engine.describe().engine === "nats" ? 0 : Number.POSITIVE_INFINITY;

  /** Makes what is missing. Faults: `layer_unreachable`, and then it is to be called again. */
  return async (): Promise<void> => {
    const config = configuration.current();
    const first = known === null;
    const now = core.world.now().getTime();
    const ask = !first && now >= askAt;
    if (config === done && !ask) return;
    const declared = declaredBy(config);
    known ??= alike(declared, await inTheBooks(core), core);
    const failed = await make(core, declared, ask ? nothing : known);
    for (const [name, { message }] of failed) {
      if (said.get(name) !== message) log.error({ name }, `not made as declared: ${message}`);
      said.set(name, message);
    }
    known = without(declared, failed);
    done = config;
    if (ask) askAt = now + askAgainMs;
    if (failed.size > 0) askAt = now + retryMs;
  };
}

async function make(
  core: Core,
  declared: Declared,
  known: Declared,
): Promise<ReadonlyMap<string, Fault>> {
  const failed = new Map<string, Fault>();
  const attempt = async (name: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Fault) || error.code === "layer_unreachable") throw error;
      failed.set(name, error);
    }
  };
  const streams = changed(declared.streams, known.streams);
  await inGroups(streams, ([name, stream]) =>
    attempt(name, () => ensureStream(core, name, stream)),
  );
  const consumers = changed(declared.consumers, known.consumers);
  await inGroups(consumers, ([name, each]) =>
    attempt(name, () => ensureConsumer(core, name, each)),
  );
  return failed;
}

function changed<T>(wanted: ReadonlyMap<string, T>, known: ReadonlyMap<string, T>) {
  return [...wanted].filter(([name, each]) => !isDeepStrictEqual(known.get(name), each));
}

function without(declared: Declared, failed: ReadonlyMap<string, Fault>): Declared {
  const kept = <T>(all: ReadonlyMap<string, T>) =>
    new Map([...all].filter(([name]) => !failed.has(name)));
  return { streams: kept(declared.streams), consumers: kept(declared.consumers) };
}

async function inTheBooks(core: Core): Promise<Declared> {
  const [streams, consumers] = [await listStreams(core.db), await listConsumers(core.db)];
  return {
    streams: new Map(streams.map(({ name, adopted: _, ...settings }) => [name, settings])),
    consumers: new Map(
      consumers.map(({ name, adopted: _, missed: _m, holds: _h, ...settings }) => [name, settings]),
    ),
  };
}

/** NATS cuts a stream's largest message to its own limit: at the start that is no difference (R2). */
function alike(declared: Declared, known: Declared, core: Core): Declared {
  if (core.engine.describe().engine !== "nats") return known;
  const streams = [...known.streams].map(([name, stream]) => {
    const { maxMessageBytes } = declared.streams.get(name) ?? stream;
    return [name, { ...stream, maxMessageBytes }] as const;
  });
  return { ...known, streams: new Map(streams) };
}

async function inGroups<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let index = 0; index < items.length; index += together) {
    await Promise.all(items.slice(index, index + together).map(work));
  }
}
