/**
 * The bank is asked of what serves, again and again: what was right when it was admitted may be wrong by now, by
 * what it leans on or by a pin that somebody moved past the gate. What is found is told as a sample of the release.
 *
 *   K1. Every pin in force whose releases can be asked: at once when the pin moved, and each `live.every`.
 *   K2. One process looks at a time, under a lease, one artifact after the other, each within ten minutes.
 *   K3. It moves nothing: a rule for the signal decides what follows.
 *   K4. A look that broke off holds up no other, and is tried again when it is due: it may have asked much of a model.
 */
import type { Logger } from "pino";
import type { BankCheck } from "../checks/check.ts";
import type { GateSettings } from "../config/gate-settings.ts";
import { Fault } from "../fault.ts";
import { type Loop, startLoop } from "../loop.ts";
import { type Pin, rollbackOf } from "../releases/pin.ts";
import { pinHistory, pinsInForce, requirePin } from "../releases/pin-store.ts";
import { barredVersions } from "../releases/release-store.ts";
import { whileHolding } from "../store/lease.ts";
import { type ExamineDeps, notDeclared, settingsFor, tryChecks } from "./judge.ts";
import { type Looked, lookedAt, suspicious, turnOf, type Unasked } from "./live.ts";
import { findLook, type LiveLook, saveLook } from "./live-store.ts";
import type { ObserveLive } from "./neighbours.ts";

export interface LiveLooksDeps extends ExamineDeps {
  readonly log: Logger;
  readonly holder: string;
  readonly observeLive: ObserveLive;
}

interface Dial {
  readonly environment: string;
  readonly artifact: string;
}

export interface LiveLooks {
  /** Looks now. Faults `not_found`, and `state_forbids` where it cannot be asked, or the bank has nothing about it. */
  look(dial: Dial): Promise<LiveLook>;
  stop(): Promise<void>;
}

const everyMs = 5_000;
const leaseMs = 15_000;
const lookMsMax = 600_000;
const pinsMax = 1_000;

export function startLiveLooks(deps: LiveLooksDeps): LiveLooks {
  const { db, world, log, configuration, holder } = deps;
  /** When each dial was looked at last, or found to have nothing to look at, and which release served. */
  const tried = new Map<string, { readonly at: number; readonly version: string }>();

  async function turn(signal: AbortSignal): Promise<void> {
    const due = await dueNow();
    if (due.length === 0) return;
    const held = { name: "live-looks", holder, ttlMs: leaseMs };
    await whileHolding(db, held, signal, async (_lease, mine) => {
      const broke: unknown[] = [];
      for (const { pin, version, everyMs: again } of due) {
        mine.throwIfAborted();
        const last = await findLook(db, pin);
        const at = world.now().getTime();
        // Another process may have looked meanwhile.
        const isFresh = last?.version === version && at - last.at.getTime() < again / 2;
        // K4.
        tried.set(keyOf(pin), { at, version });
        if (!isFresh) await lookOnce(deps, pin, version, mine).catch((error) => broke.push(error));
      }
      mine.throwIfAborted();
      if (broke.length > 0) throw broke[0];
    });
  }

  async function dueNow() {
    const { environment } = configuration.current().releases;
    const now = world.now().getTime();
    const due: { readonly pin: Pin; readonly version: string; readonly everyMs: number }[] = [];
    for (const pin of await pinsInForce(db, environment, pinsMax)) {
      const settings = await settingsFor(deps, pin.artifact);
      if (settings === null || settings.live.every === "never") continue;
      const version = mainOf(pin);
      const last = tried.get(keyOf(pin));
      if (last?.version === version && now - last.at < settings.live.every) continue;
      due.push({ pin, version, everyMs: settings.live.every });
    }
    return due;
  }

  const loop: Loop = startLoop({ name: "live-looks", everyMs, log, run: turn });
  return {
    async look(dial) {
      const pin = await requirePin(db, dial.environment, dial.artifact);
      if ((await settingsFor(deps, dial.artifact)) === null) throw notDeclared(dial.artifact);
      const looked = await lookOnce(deps, pin, mainOf(pin), new AbortController().signal);
      if (looked !== null) return looked;
      throw new Fault(
        "state_forbids",
        `The bank has no check about ${dial.artifact}: add one with \`lastgood checks add\`.`,
        { context: { artifact: dial.artifact } },
      );
    },
    stop: () => loop.stop(),
  };
}

/** Null: the bank has nothing about it. */
async function lookOnce(
  deps: LiveLooksDeps,
  { environment, artifact }: Dial,
  version: string,
  given: AbortSignal,
): Promise<LiveLook | null> {
  const { db, world, checks } = deps;
  const settings = await settingsFor(deps, artifact);
  const { checks: read, faulty } = await checks.bank.read(artifact);
  const bank = read.filter((each) => each.artifact === artifact);
  if (settings === null || bank.length + faulty.length === 0) return null;
  const began = performance.now();
  const names = new Set(bank.map(({ name }) => name));
  const last = await findLook(db, { environment, artifact });
  const known = (last?.known ?? []).filter((name) => names.has(name));
  const late = AbortSignal.timeout(lookMsMax);
  const signal = AbortSignal.any([given, late]);
  const failed = last?.version === version ? last.failing.map(({ check }) => check) : [];
  const { asked, after, tooLarge } = turnOf(bank, settings.live.cases, {
    after: last?.turn ?? null,
    failing: failed.filter((name) => known.includes(name)),
  });
  const asking: Asking = {
    ...{ deps, settings, artifact, version, known, signal, late },
    prior: () => priorOf(deps, { environment, artifact }),
    checks: asked,
  };
  const { looked, prior } = await askBoth(asking, {
    waiting: bank.length - asked.length - tooLarge.length,
    tooLarge: tooLarge.map(({ name }) => name),
    faulty: faulty.length,
  });
  const at = world.now();
  const tookMs = Math.round(performance.now() - began);
  const place = { environment, artifact, version };
  const look: LiveLook = { ...looked, ...place, prior, at, tookMs, turn: after };
  await saveLook(db, look);
  if (look.ok !== null) {
    const value = look.checks === 0 ? 1 : look.passed / look.checks;
    deps.observeLive({ environment, artifact, version, at, ok: look.ok, value });
  }
  return look;
}

interface Asking {
  readonly deps: LiveLooksDeps;
  readonly settings: GateSettings;
  readonly artifact: string;
  readonly version: string;
  prior(): Promise<string | null>;
  readonly checks: readonly BankCheck[];
  readonly known: readonly string[];
  readonly signal: AbortSignal;
  /** Aborts when it has taken too long. */
  readonly late: AbortSignal;
}

/** What serves, and of what it fails and passed before also what a rollback goes to. */
async function askBoth(
  { deps, settings, artifact, version, prior: find, checks, known, signal, late }: Asking,
  unasked: Unasked,
): Promise<{ readonly looked: Looked; readonly prior: string | null }> {
  const ask = async (of: string, these: readonly BankCheck[]) => {
    try {
      return await tryChecks(deps, settings, { artifact, version: of }, these, () => {}, signal);
    } catch (error) {
      // It is retired, or names an endpoint that is gone: that is said, and the others are looked at.
      if (error instanceof Fault) return error;
      if (!late.aborted) throw error;
      return new Fault("timed_out", `it was not told within ${lookMsMax / 60_000} minutes`);
    }
  };
  const results = await ask(version, checks);
  if (results instanceof Fault) {
    const { message: says } = results;
    return { looked: { ok: null, passed: 0, checks: 0, says, failing: [], known }, prior: null };
  }
  const doubted = suspicious(results, known);
  const prior = doubted.length === 0 ? null : await find();
  const again = checks.filter(({ name }) => doubted.includes(name));
  const before = prior === null ? null : await ask(prior, again);
  const told = before instanceof Fault ? null : before;
  return {
    looked: lookedAt(results, known, told, unasked),
    prior,
  };
}

async function priorOf({ db }: LiveLooksDeps, dial: Dial): Promise<string | null> {
  const history = await pinHistory(db, dial.environment, dial.artifact);
  const back = rollbackOf(history, await barredVersions(db, dial.artifact));
  return back === null ? null : mainOf(back.to);
}

function mainOf({ shares }: Pick<Pin, "shares">): string {
  return shares.toSorted((one, other) => other.share - one.share)[0]?.version ?? "";
}

function keyOf({ environment, artifact }: Dial): string {
  return `${environment}/${artifact}`;
}
