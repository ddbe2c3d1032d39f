/** What can be done with one document. Every operation that writes makes a new version. */
import { Fault } from "../../fault.ts";
import type { ChangeId } from "../../ids.ts";
import { canonical } from "../../json/canonical.ts";
import { sessionIsOver } from "../../store/living-session.ts";
import { newChangeId } from "../../world.ts";
import type { ChangeSetDeps } from "./change-sets.ts";
import {
  type Author,
  bodyBytesMax,
  type DocumentName,
  type Operation,
  targetOf,
  type Version,
  type Written,
} from "./document.ts";
import { eraseBodies, findVersion } from "./document-store.ts";
import { formatInstant } from "./instant.ts";
import { keepStricter } from "./never-revive.ts";
import { contentOf } from "./revert-plan.ts";

export interface Put {
  readonly body: unknown;
  /** n > 0: only on top of version n. 0: only if there was never one. null: whatever is there. */
  readonly expect: number | null;
  readonly derivedFrom?: readonly string[];
}

/** What was written. */
export interface Receipt extends DocumentName {
  readonly version: number;
  readonly atUs: number;
  readonly change: ChangeId;
  readonly hash: string;
}

export interface Restored extends Receipt {
  /** JSON pointers that keep their newer value, because it is stricter. */
  readonly kept: readonly string[];
}

/** Which version: a number, or the one in force at a time. */
export type Which = { readonly version: number } | { readonly atUs: number };

export interface Documents {
  /** Faults: `version_conflict`, `too_large`, and those of `canonical`. */
  put(name: DocumentName, put: Put, author: Author): Promise<Receipt>;
  remove(name: DocumentName, expect: number | null, author: Author): Promise<Receipt>;
  /** A version that is there, also a removed or erased one. Faults: `not_found`. */
  get(name: DocumentName, which?: Which): Promise<Version>;
  /** Faults: `not_found`, `state_forbids` (erased), `version_conflict`. */
  restore(
    name: DocumentName,
    which: Which,
    expect: number | null,
    author: Author,
  ): Promise<Restored>;
  /** Removes the document and every body it ever had; its chain stays whole. Cannot be taken back. */
  erase(name: DocumentName, expect: number | null, author: Author): Promise<Receipt>;
}

export function createDocuments({ db, world, writer, neverRevive }: ChangeSetDeps): Documents {
  async function write(
    name: DocumentName,
    author: Author,
    rest: {
      readonly operation: Operation;
      readonly body: string | null;
      readonly expect: number | null;
      readonly derivedFrom?: readonly string[];
      readonly restores?: number;
    },
  ): Promise<Receipt> {
    const { restores, ...what } = rest;
    const change = newChangeId(world);
    const written = await writer.write({
      collection: name.collection,
      id: name.id,
      agent: author.agent,
      task: author.task,
      session: author.session,
      reason: author.reason,
      ...what,
      change,
      ...(restores === undefined ? {} : { details: { restores } }),
    });
    if (!written.ok) throw refused(name, what.expect, written.actual, author.session);
    return receiptOf(name, change, written);
  }

  async function get(name: DocumentName, which?: Which): Promise<Version> {
    const found = await findVersion(db, name, which);
    if (found !== null) return found;
    const where =
      which === undefined
        ? "There is no document"
        : "version" in which
          ? `There is no version ${which.version} of`
          : `At ${formatInstant(which.atUs)} there was no document`;
    throw new Fault(
      "not_found",
      `${where} ${targetOf(name)}: see \`lastgood state ${which === undefined ? `list ${name.collection}` : `history ${targetOf(name)}`}\`.`,
    );
  }

  return {
    get,
    async put(name, { body, expect, derivedFrom }, author) {
      const text = canonical(body);
      const bytes = Buffer.byteLength(text);
      if (bytes > bodyBytesMax) {
        throw new Fault(
          "too_large",
          `The body of ${targetOf(name)} has ${bytes} bytes of canonical JSON, more than ${bodyBytesMax}: split the document.`,
          { context: { path: "body" } },
        );
      }
      return await write(name, author, {
        operation: "put",
        body: text,
        expect,
        ...(derivedFrom === undefined ? {} : { derivedFrom }),
      });
    },
    async remove(name, expect, author) {
      const head = await get(name);
      if (head.body.kind !== "json") throw gone(head);
      return await write(name, author, {
        operation: "remove",
        body: null,
        expect: expect ?? head.version,
      });
    },
    async restore(name, which, expect, author) {
      const [head, chosen] = await Promise.all([get(name), get(name, which)]);
      if (chosen.body.kind === "erased") {
        throw new Fault(
          "state_forbids",
          `The body of version ${chosen.version} of ${targetOf(name)} was erased: choose a version written after it.`,
        );
      }
      const { value, kept } = keepStricter(
        neverRevive(),
        targetOf(name),
        contentOf(head),
        contentOf(chosen),
      );
      const receipt = await write(name, author, {
        operation: "restore",
        body: value === undefined ? null : canonical(value),
        // What is kept was decided on this head: on another one it must be decided again.
        expect: expect ?? head.version,
        restores: chosen.version,
      });
      return { ...receipt, kept };
    },
    async erase(name, expect, author) {
      await get(name);
      const change = newChangeId(world);
      return await db.begin(async (tx) => {
        const [written] = await writer.writeAll(tx, [
          { ...name, ...author, expect, operation: "erase", body: null, change },
        ]);
        if (!written?.ok) throw refused(name, expect, written?.actual ?? 0, author.session);
        // That version holds the head's lock: nobody adds another meanwhile.
        await eraseBodies(tx, name, written.version);
        return receiptOf(name, change, written);
      });
    },
  };
}

function receiptOf(
  { collection, id }: DocumentName,
  change: ChangeId,
  { version, atUs, hash }: Written & { ok: true },
): Receipt {
  return { collection, id, version, atUs, change, hash };
}

function refused(
  name: DocumentName,
  expect: number | null,
  actual: number | "fenced",
  session: string | null,
): Fault {
  if (actual === "fenced") return sessionIsOver(session ?? "");
  const is = actual === 0 ? "does not exist" : `is at version ${actual}`;
  const wanted = expect === 0 ? "none was expected" : `not at ${expect}`;
  return new Fault(
    "version_conflict",
    `${targetOf(name)} ${is}, ${wanted}: nothing was written; read it again and decide.`,
    { context: { path: "expect", expected: expect, actual } },
  );
}

/** For a document that was removed or erased. */
export function gone(head: Version): Fault {
  return new Fault(
    "not_found",
    `${targetOf(head)} was ${head.operation === "erase" ? "erased" : "removed"} in version ${head.version} by ${head.agent}: see its history.`,
    { context: { removedIn: head.version } },
  );
}
