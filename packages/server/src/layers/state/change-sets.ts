/**
 * Takes change-sets back. The preview, the revert by request and the recovery's plan are the same code; what
 * they plan is written by `writeTogether` alone.
 *
 *   S1. One transaction: all documents, or none.
 *   S2. Compare-and-swap: every head must still be the one that it was planned on, else `plan_stale`.
 *   S3. One act, one id: the act's change is in the ledger under it, and every version carries it. One document:
 *       the act's change is the document's own. Several: it lists those of the documents.
 */
import { Fault } from "../../fault.ts";
import type { ChangeId } from "../../ids.ts";
import { recordChanges } from "../../ledger/ledger-store.ts";
import type { Db, Query } from "../../store/database.ts";
import { sessionIsOver } from "../../store/living-session.ts";
import { newChangeId, type World } from "../../world.ts";
import {
  type Author,
  actDocumentsMax,
  type DocumentName,
  type Operation,
  targetOf,
  type Version,
  type Write,
  type Written,
} from "./document.ts";
import {
  type ChangeSet,
  derivedFrom,
  type VersionRef,
  versionsFrom,
  versionsOf,
} from "./document-store.ts";
import type { DocumentWriter } from "./document-writer.ts";
import type { NeverRevive } from "./never-revive.ts";
import { type DocumentRevert, planDocumentRevert } from "./revert-plan.ts";

export interface ChangeSetDeps {
  readonly db: Db;
  readonly world: World;
  readonly writer: DocumentWriter;
  neverRevive(): readonly NeverRevive[];
}

/** A document made from one that is taken back. */
export interface Derived extends DocumentName {
  readonly source: string;
  /** Its versions that were made from the source since the set first touched that. */
  readonly versions: readonly number[];
}

export interface ChangeSetRevert {
  /** By collection and id. */
  readonly documents: readonly DocumentRevert[];
  /** Not taken back, unless asked for. */
  readonly derived: readonly Derived[];
}

/** More versions of one document since the set's first are not merged. */
const chainVersionsMax = 5_000;
const setVersionsMax = 10_000;
const derivedRoundsMax = 8;

/** What taking the set back comes to. Reads and never writes. Faults: `nothing_to_revert`, `too_large`. */
export async function planChangeSetRevert(
  { db, neverRevive }: Pick<ChangeSetDeps, "db" | "neverRevive">,
  set: ChangeSet,
  { withDerived = false }: { readonly withDerived?: boolean } = {},
): Promise<ChangeSetRevert> {
  const refs = await versionsOf(db, set, setVersionsMax + 1);
  if (refs.length === 0) {
    throw new Fault(
      "nothing_to_revert",
      "No version of a document belongs to this change-set: look with `lastgood changes --layer state`.",
    );
  }
  requireAtMost(refs.length, setVersionsMax, "versions");
  const chosen = byDocument(refs);
  const derived = await findDerived(db, chosen);
  if (withDerived) for (const each of derived) addTo(chosen, each, each.versions);
  requireAtMost(chosen.size, actDocumentsMax, "documents");
  const rules = neverRevive();
  const documents: DocumentRevert[] = [];
  for (const { name, versions } of sorted(chosen)) {
    documents.push(await planOne(db, name, versions, rules));
  }
  return { documents, derived: withDerived ? [] : derived };
}

/** The same for one document and given versions of it. */
export async function planOne(
  db: Query,
  name: DocumentName,
  versions: ReadonlySet<number>,
  rules: readonly NeverRevive[],
): Promise<DocumentRevert> {
  const first = Math.min(...versions);
  const chain = await versionsFrom(db, name, Math.max(1, first - 1), chainVersionsMax + 1);
  requireAtMost(chain.length, chainVersionsMax, `versions of ${targetOf(name)} since then`);
  return planDocumentRevert(chain, versions, rules);
}

/** Refuses (`revert_conflicts`) a revert that would bury somebody's later work, and says whose. */
export function requireNoConflict({ documents }: ChangeSetRevert): void {
  const conflicts = documents.flatMap(conflictLines);
  if (conflicts.length === 0) return;
  throw new Fault(
    "revert_conflicts",
    `${conflicts.length} conflicts, nothing was written: ${conflicts.slice(0, 5).join("; ")}. Settle these documents by hand, or leave them out.`,
    { context: { conflicts: conflicts.slice(0, 100) } },
  );
}

export function conflictLines(each: DocumentRevert): readonly string[] {
  return each.conflicts.map(
    ({ path, because }) =>
      `${targetOf(each)} ${path === "" ? "as a whole" : `at ${path}`}: ${because}`,
  );
}

/** One document of an act: what it will hold, on which head. */
export interface PlannedDocument extends DocumentName {
  readonly from: number;
  readonly restores: number | null;
  readonly body: string | null;
  readonly reverts?: readonly ChangeId[];
}

export interface Act extends Author {
  readonly id: ChangeId;
  readonly operation: Operation;
  readonly documents: readonly PlannedDocument[];
  readonly reverts: readonly ChangeId[];
}

/** Writes all documents of the act in the caller's transaction (S1, S2, S3). */
export async function writeTogether(
  { writer, world }: Pick<ChangeSetDeps, "writer" | "world">,
  tx: Query,
  act: Act,
): Promise<readonly Written[]> {
  const several = act.documents.length > 1;
  const writes = act.documents.map(
    (each): Write => ({
      collection: each.collection,
      id: each.id,
      agent: act.agent,
      task: act.task,
      session: act.session,
      reason: act.reason,
      expect: each.from,
      operation: act.operation,
      body: each.body,
      change: several ? newChangeId(world) : act.id,
      act: act.id,
      reverts: each.reverts ?? act.reverts,
      details: {
        ...(each.restores === null ? {} : { restores: each.restores }),
        ...(several ? { act: act.id } : {}),
      },
    }),
  );
  const written = await writer.writeAll(tx, writes);
  for (const [index, each] of written.entries()) {
    const document = act.documents[index];
    if (each.ok || document === undefined) continue;
    if (each.actual === "fenced") throw sessionIsOver(act.session ?? "");
    throw new Fault(
      "plan_stale",
      `${targetOf(document)} is at version ${each.actual}, not ${document.from} as planned: nothing was written; plan again.`,
      { context: { document: targetOf(document), planned: document.from, actual: each.actual } },
    );
  }
  if (several) {
    await recordChanges(tx, [
      {
        id: act.id,
        at: world.now(),
        layer: "state",
        kind: act.operation,
        target: `${act.documents.length} documents`,
        agent: act.agent,
        task: act.task,
        session: act.session,
        reason: act.reason,
        reverts: act.reverts,
        details: { changes: writes.map((each) => each.change) },
      },
    ]);
  }
  return written;
}

interface Chosen {
  readonly name: DocumentName;
  readonly versions: Set<number>;
}

function byDocument(refs: readonly VersionRef[]): Map<string, Chosen> {
  const chosen = new Map<string, Chosen>();
  for (const { version, ...name } of refs) addTo(chosen, name, [version]);
  return chosen;
}

function addTo(
  chosen: Map<string, Chosen>,
  { collection, id }: DocumentName,
  versions: readonly number[],
): void {
  const target = targetOf({ collection, id });
  const entry = chosen.get(target) ?? { name: { collection, id }, versions: new Set<number>() };
  for (const each of versions) entry.versions.add(each);
  chosen.set(target, entry);
}

function sorted(chosen: ReadonlyMap<string, Chosen>): readonly Chosen[] {
  return [...chosen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** What was made, directly or in turn, from the chosen versions or later ones of their documents. */
async function findDerived(
  db: Query,
  chosen: ReadonlyMap<string, Chosen>,
): Promise<readonly Derived[]> {
  const found = new Map<string, { source: string; versions: Set<number>; name: DocumentName }>();
  let sources = await startsOf(db, [...chosen.values()]);
  for (let round = 0; round < derivedRoundsMax && sources.length > 0; round++) {
    const next: Chosen[] = [];
    for (const made of await derivedFrom(db, sources)) {
      const target = targetOf(made);
      if (chosen.has(target)) continue;
      const entry = found.get(target);
      if (entry === undefined) {
        const fresh = { source: made.source, versions: new Set([made.version]), name: made };
        found.set(target, fresh);
        next.push(fresh);
      } else entry.versions.add(made.version);
    }
    requireAtMost(found.size, actDocumentsMax, "derived documents");
    sources = await startsOf(db, next);
  }
  return [...found.values()].map(({ name, source, versions }) => ({
    collection: name.collection,
    id: name.id,
    source,
    versions: [...versions].sort((a, b) => a - b),
  }));
}

async function startsOf(db: Query, chosen: readonly Chosen[]) {
  const starts: (DocumentName & { sinceUs: number })[] = [];
  for (const { name, versions } of chosen) {
    const [first] = await versionsFrom(db, name, Math.min(...versions), 1);
    if (first !== undefined) starts.push({ ...name, sinceUs: first.atUs });
  }
  return starts;
}

function requireAtMost(count: number, most: number, what: string): void {
  if (count <= most) return;
  throw new Fault("too_large", `More than ${most} ${what}: narrow the change-set.`);
}

/** Who wrote what is taken back, for people: `versions 15, 16 by marketing`. */
export function authorsOf(versions: readonly Version[]): string {
  const names = [...new Set(versions.map((each) => each.agent))].join(", ");
  const numbers = versions.map((each) => each.version).join(", ");
  return `version${versions.length === 1 ? "" : "s"} ${numbers} by ${names}`;
}
