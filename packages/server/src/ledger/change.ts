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

/** Which changes: all given conditions hold. `targets` are (layer, target) pairs, any of which fits. */
export interface ChangeFilter {
  readonly since?: Date;
  readonly until?: Date;
  readonly agent?: string;
  readonly task?: string;
  readonly layer?: LayerName;
  readonly target?: string;
  readonly targets?: readonly { readonly layer: LayerName; readonly target: string }[];
  readonly ids?: readonly ChangeId[];
  readonly exposedTo?: string;
  readonly limit: number;
}
