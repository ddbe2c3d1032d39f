/**
 * Copies of live requests that another release is asked as well: its answers are compared, and nobody gets them.
 *
 *   C1. A copy has no tools: it acts on nothing.
 *   C2. No live request waits for a copy; beyond 16 at once they are left out, and counted, but for those of which it
 *       becomes known how they turned out.
 *   C3. What failed is copied as well: of the requests that one release answered, the other looks better than it is.
 */
import type { GatewayOrders } from "@lastgood/sdk";
import { digestOf } from "../executions/output-digest.ts";
import { releaseSignals } from "../executions/release-sample.ts";
import type { World } from "../world.ts";
import { requestFor } from "./asked.ts";
import { newReading } from "./dialect.ts";
import { type Endpoint, EndpointTrouble, passOn } from "./endpoint.ts";
import { createHeldRequests, type Held } from "./held-requests.ts";
import { modelOf } from "./model-release.ts";
import { type Ended, executionOf, keepable, type Passing, sampleOf, samplesOf } from "./passed.ts";
import { errorOf, parsedJson } from "./relay.ts";
import type { Reports } from "./report.ts";

export interface Mirroring {
  /** A request that tells something of the release, well or not: it may be copied. Never waits, never throws. */
  offer(passing: Passing, ended: Ended): void;
  /** What turned out of these requests is known: of those that could not be copied at once, they are first. */
  turnedOut(ids: readonly string[]): void;
  /** What is in force from now on. */
  order(mirrors: GatewayOrders["mirrors"]): void;
  counts(): { readonly mirrored: number; readonly mirrorsSkipped: number };
  stop(): Promise<void>;
}

export interface MirroringDeps {
  readonly world: World;
  readonly reports: Reports;
  readonly environment: string;
  endpoint(name: string): Endpoint;
  records(artifact: string): boolean;
  newId(): string;
}

type Order = GatewayOrders["mirrors"][number];

const underWayMax = 16;
const copyBytesMax = 4_194_304;

export function createMirroring(deps: MirroringDeps): Mirroring {
  const { world } = deps;
  const underWay = new Set<Promise<void>>();
  const stopping = new AbortController();
  const held = createHeldRequests();
  const counts = { mirrored: 0, mirrorsSkipped: 0 };
  let orders = new Map<string, Order>();

  function isChosen({ percent }: Order): boolean {
    const [high = 0, low = 0] = world.randomBytes(2);
    return ((high * 256 + low) / 65_536) * 100 < percent;
  }

  function orderOf({ asked: { artifact }, release: { version } }: Passing): Order | null {
    const order = orders.get(artifact);
    if (order === undefined || order.version === version) return null;
    if (Date.parse(order.until) > world.now().getTime()) return order;
    orders.delete(artifact);
    held.keepOf(orders);
    return null;
  }

  function start({ passing, ended }: Held, order: Order): void {
    counts.mirrored += 1;
    const copying = copy(deps, passing, ended, order, stopping.signal).catch(() => {
      // What a copy comes to is told as samples; what cannot be asked at all is not a live request's trouble.
      counts.mirrorsSkipped += 1;
    });
    underWay.add(copying);
    void copying.finally(() => {
      underWay.delete(copying);
      startHeld();
    });
  }

  function startHeld(): void {
    while (underWay.size < underWayMax && !stopping.signal.aborted) {
      const one = held.next();
      if (one === undefined) return;
      const order = orderOf(one.passing);
      if (order === null) continue;
      counts.mirrorsSkipped -= 1;
      start(one, order);
    }
  }

  return {
    counts: () => counts,
    order(mirrors) {
      orders = new Map(mirrors.map((each) => [each.artifact, each]));
      held.keepOf(orders);
    },
    turnedOut(ids) {
      for (const id of ids) held.turnedOut(id);
      startHeld();
    },
    offer(passing, ended) {
      const order = orderOf(passing);
      if (order === null || !isChosen(order)) return;
      if (underWay.size < underWayMax) return start({ passing, ended }, order);
      counts.mirrorsSkipped += 1;
      held.hold({ passing, ended });
    },
    async stop() {
      stopping.abort(new Error("the gateway stops"));
      await Promise.allSettled(underWay);
    },
  };
}

async function copy(
  deps: MirroringDeps,
  live: Passing,
  liveEnded: Ended,
  order: Order,
  signal: AbortSignal,
): Promise<void> {
  const { world, reports, environment } = deps;
  const { artifact, version, content } = order;
  const release = { ...live.release, environment, artifact, version, content };
  const id = deps.newId();
  const passing: Passing = {
    ...{ id, key: id, release, target: live.target, attempt: 1, previous: null },
    ...{ asked: live.asked, mirrorOf: live.id, begunAt: world.now() },
  };
  const began = performance.now();
  const answered = await ask(deps, passing, signal);
  const ended: Ended = {
    ...{ ...answered, tookMs: performance.now() - began },
    ...{ firstByteMs: null, endedAt: world.now() },
  };
  reports.tell({
    samples: [...samplesOf(passing, ended), ...agreement(passing, ended, liveEnded)],
    executions: [executionOf(passing, ended, deps.records(artifact))],
  });
}

/** C1. */
async function ask(
  deps: MirroringDeps,
  { asked, release }: Passing,
  signal: AbortSignal,
): Promise<Pick<Ended, "ok" | "error" | "reading">> {
  const { dialect } = asked;
  const model = modelOf(release);
  const endpoint = deps.endpoint(model.endpoint);
  if (endpoint.config.api !== dialect.api) throw new Error("the copy would be of another API");
  const whole = { ...asked, isStream: false, body: { ...asked.body, stream: false } };
  const { body } = requestFor(whole, model, false);
  const { stream_options: _options, ...plain } = dialect.withoutTools(body);
  const headers = { "content-type": "application/json", "accept-encoding": "identity" };
  const reading = newReading();
  try {
    const answer = await endpoint.ask(
      {
        ...{ dialect, body: Buffer.from(JSON.stringify(plain)) },
        headers: { ...headers, ...asked.forwarded },
      },
      signal,
    );
    const chunks: Buffer[] = [];
    const bounds = { ...endpoint.config, bytesMax: copyBytesMax };
    await passOn(answer, bounds, signal, (chunk) => void chunks.push(chunk));
    if (answer.statusCode !== 200) {
      return { ok: false, error: `it answered ${answer.statusCode}`, reading };
    }
    const answered = parsedJson(Buffer.concat(chunks).toString("utf8"));
    if (answered === undefined) return { ok: false, error: "its answer is no JSON", reading };
    dialect.readAnswer(answered, reading);
    const error = errorOf(reading, endpoint);
    return { ok: error === null, error, reading };
  } catch (error) {
    if (!(error instanceof EndpointTrouble)) throw error;
    return { ok: false, error: error.message, reading };
  }
}

/** Where both said something that can be compared: whether it is the same. */
function agreement(passing: Passing, { ok, reading, endedAt }: Ended, live: Ended) {
  const isComparable = ok === true && live.ok === true && live.reading?.usesTools === false;
  if (!isComparable || reading === null) return [];
  const isSame = digestOf(keepable(reading.text)) === digestOf(keepable(live.reading.text));
  const value = isSame ? 1 : 0;
  return [sampleOf(passing, endedAt, releaseSignals.agreement, { value })];
}
