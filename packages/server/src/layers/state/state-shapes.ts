/** Documents as the public API shows them. */
import type {
  Document as ApiDocument,
  DocumentReceipt,
  DocumentRevertResult,
  DocumentVersion,
  JsonValue,
} from "@lastgood/sdk";
import type { ChangeId } from "../../ids.ts";
import { parseCanonical } from "../../json/canonical.ts";
import { differences } from "../../json/diff.ts";
import type { ChangeSetRevert } from "./change-sets.ts";
import type { Version } from "./document.ts";
import type { Receipt } from "./documents.ts";
import { formatInstant } from "./instant.ts";
import { contentOf } from "./revert-plan.ts";

export function toApi({ atUs, act: _, body, ...version }: Version): DocumentVersion {
  return {
    ...version,
    at: formatInstant(atUs),
    derivedFrom: [...version.derivedFrom],
    holds: body.kind === "json" ? "body" : body.kind,
  };
}

/** With its body, null where there is none (`holds` says why). */
export function toDocument(version: Version): ApiDocument {
  const { body } = version;
  return { ...toApi(version), body: body.kind === "json" ? parseCanonical(body.text) : null };
}

export function toReceipt({ atUs, ...receipt }: Receipt): DocumentReceipt {
  return { ...receipt, at: formatInstant(atUs) };
}

export function toRevertResult(
  { documents, derived }: ChangeSetRevert,
  change: ChangeId | null,
): DocumentRevertResult {
  return {
    change,
    documents: documents.map((each) => ({
      collection: each.collection,
      id: each.id,
      outcome: each.outcome,
      from: each.from,
      restores: each.restores,
      takesBack: each.takesBack.map((version) => version.version),
      differences:
        each.outcome === "conflict"
          ? []
          : [...differences(contentOf(each.head), bodyValue(each.body))],
      conflicts: each.conflicts.map(({ path, because, by }) => ({
        path,
        because,
        by: by.map(toApi),
      })),
      kept: [...each.kept],
    })),
    derived: derived.map((each) => ({
      collection: each.collection,
      id: each.id,
      source: each.source,
      versions: [...each.versions],
    })),
  };
}

function bodyValue(text: string | null): JsonValue | undefined {
  return text === null ? undefined : parseCanonical(text);
}
