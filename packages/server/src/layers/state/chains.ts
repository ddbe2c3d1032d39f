/**
 * Verifies documents' chains as one snapshot, streaming: every version from the recorded floor to the last one
 * against its hash, its predecessor, its change in the ledger, and the last one against the head; then every
 * head, and every document that the ledger tells of, against what is there. So a change in the middle, a version
 * taken out, a chain cut off at its end, and a document gone whole are all seen.
 */
import { Fault } from "../../fault.ts";
import type { Db, Tx } from "../../store/database.ts";
import { type DocumentName, operations, targetOf } from "./document.ts";
import { bodyHash, documentKey, versionHash } from "./version-hash.ts";

/** The first bad version of a document, and why. */
export interface ChainBreak extends DocumentName {
  readonly version: number;
  readonly why: string;
}

export interface ChainReport {
  readonly documents: number;
  readonly versions: number;
  /** Versions whose body was erased: their place in the chain holds, their content cannot be checked. */
  readonly erased: number;
  /** At most one per document, and at most `breaksMax`. */
  readonly broken: readonly ChainBreak[];
}

const breaksMax = 1_000;
const rowsAtOnce = 100;

/** Verifies one document, or all. Faults: `not_found` for one that is not there. */
export async function verifyChains(
  db: Db,
  only: DocumentName | null,
  signal: AbortSignal,
): Promise<ChainReport> {
  return await db.begin("isolation level repeatable read read only", async (tx) => {
    const report = { documents: 0, versions: 0, erased: 0, broken: [] as ChainBreak[] };
    const broken = new Map<string, ChainBreak>();
    const note = (found: ChainBreak) => {
      const target = targetOf(found);
      if (!broken.has(target) && broken.size < breaksMax) broken.set(target, found);
    };
    let chain: ChainState | null = null;
    for await (const rows of readVersions(tx, only).cursor(rowsAtOnce)) {
      signal.throwIfAborted();
      for (const row of rows) {
        if (chain === null || !row.doc.equals(chain.doc)) {
          if (chain !== null) finish(chain, note);
          chain = begin(row);
          report.documents += 1;
        }
        report.versions += 1;
        if (row.salt === null) report.erased += 1;
        const why = chain.bad ? null : check(chain, row);
        if (why !== null) {
          note({ ...nameOf(row), version: row.ver, why });
          chain.bad = true;
        }
      }
    }
    if (chain !== null) finish(chain, note);
    for (const each of await compareWithLedger(tx, only)) note(each);
    if (only !== null && report.documents === 0 && broken.size === 0) {
      throw new Fault("not_found", `There is no document ${targetOf(only)}.`);
    }
    report.broken = [...broken.values()];
    return report;
  });
}

/** One line per document whose chain is broken; none when all is well. */
export async function verifyAllChains(db: Db): Promise<readonly string[]> {
  const { broken } = await verifyChains(db, null, AbortSignal.timeout(3_600_000));
  return broken.map(breakLine);
}

export function breakLine(found: ChainBreak): string {
  return `${targetOf(found)} version ${found.version}: ${found.why}`;
}

interface Row {
  doc: Buffer;
  ver: number;
  hash: Buffer;
  at_us: number;
  change_id: string;
  agent: string;
  op: number;
  body: string | null;
  salt: Buffer | null;
  body_hash: Buffer | null;
  head: {
    collection: string;
    id: string;
    ver: number;
    hash: string;
    atUs: number;
    floorVer: number;
    floorPrev: string | null;
    removed: boolean;
  } | null;
  change: { target: string; to: string | null; agent: string; atUs: number } | null;
}

interface ChainState {
  readonly doc: Buffer;
  last: Row | null;
  /** The last erased version that no erasure has accounted for yet. */
  unexplained: number | null;
  bad: boolean;
}

function readVersions(tx: Tx, only: DocumentName | null) {
  return tx<Row[]>`
    select v.doc, v.ver, v.hash, v.at_us, v.change_id, v.agent, v.op, v.body, v.salt, v.body_hash,
      case when d.doc is null then null else jsonb_build_object(
        'collection', d.collection, 'id', d.id, 'ver', d.ver, 'hash', encode(d.hash, 'hex'),
        'atUs', d.at_us, 'floorVer', d.floor_ver, 'floorPrev', encode(d.floor_prev, 'hex'),
        'removed', d.removed) end as head,
      case when c.id is null then null else jsonb_build_object(
        'target', c.target, 'to', c.to_ref, 'agent', c.agent,
        'atUs', round(extract(epoch from c.at) * 1000000)) end as change
    from document_versions v
    left join documents d on d.doc = v.doc
    left join changes c on c.id = v.change_id
    ${only === null ? tx`` : tx`where v.doc = ${documentKey(only)}`}
    order by v.doc, v.ver`;
}

function begin(row: Row): ChainState {
  return { doc: row.doc, last: null, unexplained: null, bad: false };
}

/** Why this version is bad, or null. */
function check(chain: ChainState, row: Row): string | null {
  const { head, change } = row;
  const { last } = chain;
  chain.last = row;
  if (head === null) return "its document has no head";
  if (!documentKey(head).equals(row.doc)) return "its key is not that of its collection and id";
  if (last === null && row.ver !== head.floorVer) {
    return `the chain begins here, not at version ${head.floorVer}`;
  }
  if (last !== null && row.ver !== last.ver + 1) return `version ${last.ver + 1} is missing`;
  if (last !== null && row.at_us <= last.at_us) return "its time is not after the one before";
  if (row.salt === null) {
    if (row.body !== null || row.body_hash === null) return "it is neither whole nor erased";
    chain.unexplained = row.ver;
  } else if (row.op === operations.erase) chain.unexplained = null;
  const prev = last?.hash ?? (head.floorPrev === null ? null : Buffer.from(head.floorPrev, "hex"));
  const expected = versionHash({
    doc: row.doc,
    prev,
    ver: row.ver,
    atUs: row.at_us,
    change: row.change_id,
    agent: row.agent,
    op: row.op,
    bodyHash: row.salt === null ? (row.body_hash ?? Buffer.alloc(0)) : bodyHash(row.salt, row.body),
  });
  if (!expected.equals(row.hash)) {
    return "its content, author, time or predecessor is not what its hash was made from";
  }
  if (change === null) return `its change ${row.change_id} is not in the ledger`;
  if (
    change.target !== targetOf(head) ||
    change.to !== String(row.ver) ||
    change.agent !== row.agent ||
    change.atUs !== row.at_us
  ) {
    return `its change ${row.change_id} tells something else`;
  }
  return null;
}

/** The last entry against the head. */
function finish({ last, unexplained, bad }: ChainState, note: (found: ChainBreak) => void): void {
  if (last?.head == null || bad) return;
  const { head } = last;
  const broken = (version: number, why: string) => note({ ...nameOf(last), version, why });
  if (unexplained !== null) {
    broken(unexplained, "its body is gone, and no later version tells of an erasure");
  } else if (head.ver > last.ver) {
    broken(last.ver + 1, `the chain ends at version ${last.ver}, its head is at ${head.ver}`);
  } else if (head.ver < last.ver) {
    broken(last.ver, `the head is at version ${head.ver}, before the end of the chain`);
  } else if (head.hash !== last.hash.toString("hex") || head.atUs !== last.at_us) {
    broken(last.ver, "the head has another hash or time than the last version");
  } else if (head.removed !== (last.body === null)) {
    broken(last.ver, "the head says whether it is removed, and the last version says otherwise");
  }
}

function nameOf(row: Row): DocumentName {
  return row.head === null
    ? { collection: "unknown", id: row.doc.toString("hex") }
    : { collection: row.head.collection, id: row.head.id };
}

/** Heads without any version, and documents whose latest change in the ledger is not what the head says. */
async function compareWithLedger(
  tx: Tx,
  only: DocumentName | null,
): Promise<readonly ChainBreak[]> {
  return await tx<ChainBreak[]>`
    with told as (
      select distinct on (target) target, to_ref::bigint as ver from changes
      where layer = 'state' and to_ref is not null
        ${only === null ? tx`` : tx`and target = ${targetOf(only)}`}
      order by target, at desc),
    held as (
      select collection || '/' || id as target, ver,
             exists (select from document_versions v where v.doc = d.doc) as has_versions
      from documents d
      ${only === null ? tx`` : tx`where d.doc = ${documentKey(only)}`})
    select split_part(coalesce(told.target, held.target), '/', 1) as collection,
           split_part(coalesce(told.target, held.target), '/', 2) as id,
           coalesce(told.ver, held.ver) as version,
           case when held.target is null then 'the ledger tells of it, and there is no such document'
                when not held.has_versions then 'the document has no versions at all'
                when told.target is null then 'the ledger tells nothing of this document'
                else 'the ledger''s latest change is to version ' || told.ver
                  || ', the head is at ' || held.ver end as why
    from told full join held using (target)
    where held.target is null or not held.has_versions or told.ver is distinct from held.ver
    order by 1, 2
    limit ${breaksMax}`;
}
