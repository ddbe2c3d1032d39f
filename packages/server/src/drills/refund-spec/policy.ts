/** How a spec of customer service is followed: the same spec and the same request give the same decision. Pure. */

/** The content of a release. */
export interface Spec {
  /** Refunded without asking. */
  readonly refundLimit: number;
  /** What may be refunded above it, and who has a second look. */
  readonly exceptions?: readonly {
    readonly reasons: readonly string[];
    readonly upTo: number;
    readonly secondLook: string;
  }[];
}

export const reasons = ["damaged", "late", "wrong item"] as const;
export type Reason = (typeof reasons)[number];

/** What a customer asks for. */
export interface Asked {
  readonly amount: number;
  readonly reason: Reason;
}

export type Decision =
  | { readonly decision: "refund"; readonly secondLook: string | null }
  | { readonly decision: "refuse"; readonly because: string };

export function decide(spec: Spec, { amount, reason }: Asked): Decision {
  const { refundLimit, exceptions = [] } = spec;
  if (amount <= refundLimit) return { decision: "refund", secondLook: null };
  const exception = exceptions.find((each) => each.reasons.includes(reason) && amount <= each.upTo);
  if (exception !== undefined) return { decision: "refund", secondLook: exception.secondLook };
  return {
    decision: "refuse",
    because: `${amount} is over the limit of ${refundLimit}, and the spec knows no other way`,
  };
}

/** What the house owes its customers, whatever the spec of the day says. */
export const owedUpTo = 500;

export function isOwed({ amount }: Asked): boolean {
  return amount <= owedUpTo;
}
