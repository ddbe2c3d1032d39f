import type { LayerName } from "@lastgood/sdk";
import type { ChangeId } from "../ids.ts";

/** What a layer hands in when something was altered. The ledger adds nothing and guesses nothing. */
export interface NewChange {
  readonly id: ChangeId;
  readonly at: Date;
  readonly layer: LayerName;
  readonly kind: string;
  readonly target: string;
  readonly agent: string;
  readonly task?: string | null;
  readonly session?: string | null;
  readonly from?: string | null;
  readonly to?: string | null;
  readonly reason?: string;
  readonly reverts?: readonly ChangeId[];
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface Exposed {
  readonly service: string;
  readonly exposedAt: Date;
  readonly deploy: ChangeId | null;
}

/** A change as the ledger holds it. */
export interface Change extends Required<NewChange> {
  readonly exposures: readonly Exposed[];
}

/** Things of the ledger: any of the exact (layer, target) pairs, or what fits a glob of its layer. */
export interface Targets {
  readonly exact: readonly { readonly layer: LayerName; readonly target: string }[];
  readonly globs: readonly { readonly layer: LayerName; readonly glob: string }[];
}

/** Which changes: all given conditions hold. */
export interface ChangeFilter {
  readonly since?: Date;
  readonly until?: Date;
  readonly agent?: string;
  readonly task?: string;
  readonly layer?: LayerName;
  readonly target?: string;
  /** What may be among these: of a glob only its literal beginning is compared. `changesAmong` does the rest. */
  readonly perhapsAmong?: Targets;
  /** Only what comes after this change, in the order of the answer. */
  readonly after?: ChangeId;
  readonly ids?: readonly ChangeId[];
  readonly exposedTo?: string;
  readonly limit: number;
}
