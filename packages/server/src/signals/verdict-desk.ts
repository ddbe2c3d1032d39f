/**
 * Turns what detectors say into verdicts for the rest of the house.
 *
 *     detector: regression ──> asks the ledger ──> regression | drift | (announced: hold)
 *     anything else        ──> said at once
 *
 *   V1. A verdict is said when its kind changes, and again every few seconds while a regression lasts.
 *   V2. A regression is a `drift` when no change was exposed to the service within `freshFor`. When the
 *       ledger cannot be read it stays a regression: whoever acts on it needs the ledger's suspects anyway.
 *   V3. Inside the bound of an announced change a regression is not said, and what it suppressed is shown.
 *   V4. A listener that throws does not keep the others, or the judging, from going on.
 */
import type { Logger } from "pino";
import type { World } from "../world.ts";
import { type Announcement, coveredBy } from "./announced.ts";
import type { DetectorKind } from "./detector.ts";
import type { Rule } from "./rule.ts";
import type { DimensionJudgement } from "./rule-judge.ts";
import { verdictOf } from "./saying.ts";
import type { Verdict, VerdictKind } from "./verdict.ts";

export interface VerdictDeskDeps {
  readonly world: World;
  readonly log: Logger;
  freshForMs(): number;
  /** Whether any change that can reach the service was exposed since then. */
  hasExposedChange(service: string, since: Date): Promise<boolean>;
  announcements(service: string): Promise<readonly Announcement[]>;
  /** The level that each of the rule's signals has now: what an announcement's bound is held against. */
  levelsOf(rule: Rule, judgement: DimensionJudgement): ReadonlyMap<string, number>;
  /** The detector's own words at this moment; null when the rule is gone. */
  read(rule: Rule, dimension: string | null): DimensionJudgement | null;
  record(verdict: Verdict): void;
}

/** What was last said of a rule (or of one of its segments). */
export interface Said {
  readonly kind: VerdictKind;
  readonly since: Date;
  readonly suppressedBy: Announcement | null;
}

export interface VerdictDesk {
  /** The detector of `rule` says `kind` now; cheap when nothing is new. */
  turn(rule: Rule, dimension: string | null, kind: DetectorKind): void;
  said(rule: string, dimension: string | null): Said | null;
  /** Says a verdict that comes from no detector. */
  say(verdict: Verdict): void;
  onVerdict(listener: (verdict: Verdict) => void): () => void;
  /** Drops what was said of rules that are no more. */
  retain(rules: ReadonlySet<string>): void;
  /** Resolves when no verdict is being settled. */
  settled(): Promise<void>;
}

interface Line {
  detector: DetectorKind;
  said: Said;
  saidAt: number;
  settling: Promise<void> | null;
}

const sayAgainAfterMs = 3_000;
const ledgerDeadlineMs = 2_000;

export function createVerdictDesk(deps: VerdictDeskDeps): VerdictDesk {
  const { world, log } = deps;
  const listeners = new Set<(verdict: Verdict) => void>();
  const lines = new Map<string, Line>();

  function tell(verdict: Verdict): void {
    for (const listener of listeners) {
      try {
        listener(verdict);
      } catch (error) {
        log.error({ err: error, rule: verdict.rule }, "a listener failed on a verdict");
      }
    }
  }

  function turn(rule: Rule, dimension: string | null, kind: DetectorKind): void {
    const key = `${rule.name}\n${dimension ?? ""}`;
    const now = world.now().getTime();
    let line = lines.get(key);
    if (line === undefined) {
      const said = { kind: "insufficient", since: world.now(), suppressedBy: null } as const;
      line = { detector: "insufficient", said, saidAt: 0, settling: null };
      lines.set(key, line);
    }
    const isNew = line.detector !== kind;
    if (!isNew && (kind !== "regression" || now - line.saidAt < sayAgainAfterMs)) return;
    line.detector = kind;
    if (kind !== "regression") {
      pronounce(line, rule, dimension, kind, null);
      return;
    }
    if (line.settling !== null) return;
    // Also for an announced change, whose bound or time may have been passed since.
    line.saidAt = now;
    const settling = line;
    line.settling = settle(settling, rule, dimension).finally(() => {
      settling.settling = null;
    });
  }

  async function settle(line: Line, rule: Rule, dimension: string | null): Promise<void> {
    const now = world.now();
    const isKnownDrift = line.said.kind === "drift";
    const since = new Date(now.getTime() - deps.freshForMs());
    const [exposed, announcements] = await Promise.all([
      orElse(true, () => deps.hasExposedChange(rule.service, since)),
      orElse<readonly Announcement[]>([], () => deps.announcements(rule.service)),
    ]);
    // Meanwhile it may have recovered, or have been started anew.
    if (line.detector !== "regression") return;
    const judgement = deps.read(rule, dimension);
    if (judgement === null || judgement.kind !== "regression") return;
    const covered = coveredBy(announcements, deps.levelsOf(rule, judgement), now);
    if (covered !== null) pronounce(line, rule, dimension, "hold", covered);
    else pronounce(line, rule, dimension, exposed && !isKnownDrift ? "regression" : "drift", null);
  }

  /** V2. */
  async function orElse<T>(otherwise: T, ask: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<T>((resolve) => {
      timer = setTimeout(resolve, ledgerDeadlineMs, otherwise);
    });
    try {
      return await Promise.race([ask(), late]);
    } catch (error) {
      log.warn({ err: error }, "the ledger could not be read while a verdict was settled");
      return otherwise;
    } finally {
      clearTimeout(timer);
    }
  }

  function pronounce(
    line: Line,
    rule: Rule,
    dimension: string | null,
    kind: VerdictKind,
    suppressedBy: Announcement | null,
  ): void {
    const judgement = deps.read(rule, dimension);
    if (judgement === null) return;
    const isNew =
      kind !== line.said.kind || (suppressedBy === null) !== (line.said.suppressedBy === null);
    if (isNew) line.said = { kind, since: world.now(), suppressedBy };
    const lasts = kind === "regression" || kind === "drift";
    if (!isNew && !lasts) return;
    line.saidAt = world.now().getTime();
    const verdict = verdictOf(rule, kind, judgement);
    if (isNew) deps.record(verdict);
    tell(verdict);
  }

  return {
    turn,
    said: (rule, dimension) => lines.get(`${rule}\n${dimension ?? ""}`)?.said ?? null,
    say(verdict) {
      deps.record(verdict);
      tell(verdict);
    },
    onVerdict(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    retain(rules) {
      for (const key of lines.keys()) {
        if (!rules.has(key.slice(0, key.indexOf("\n")))) lines.delete(key);
      }
    },
    async settled() {
      await Promise.all([...lines.values()].map(({ settling }) => settling));
    },
  };
}
