/** What an attempt to deliver means for the delivery. Pure. */

/** What came of one attempt. */
export type Attempt =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** The `Retry-After` header, as it came. */
      readonly retryAfter: string | null;
      /** The beginning of the answer, for the record. */
      readonly text: string;
    }
  /** Nothing was sent, and trying again as things are would not help. */
  | { readonly kind: "refused"; readonly because: string }
  /** It may have arrived or not. */
  | { readonly kind: "failed"; readonly because: string };

export type Settlement =
  | { readonly kind: "delivered" }
  | { readonly kind: "retry"; readonly afterMs: number; readonly because: string }
  | { readonly kind: "undeliverable"; readonly because: string };

/** Over an hour from the first to the last, at the pace below. */
export const attemptsMax = 20;
const backoffMsMax = 300_000;
const retryAfterMsMax = 900_000;
/** How long after the first attempt the second comes; each later one doubles it. */
export const backoffMsFirst = 1_000;

/** What to do after the `attempts`-th attempt. */
export function settle(
  attempt: Attempt,
  attempts: number,
  now: Date,
  firstMs: number = backoffMsFirst,
): Settlement {
  const pauseMs = Math.min(backoffMsMax, firstMs * 2 ** Math.min(attempts - 1, 20));
  if (attempt.kind === "refused") return { kind: "undeliverable", because: attempt.because };
  if (attempt.kind === "failed") return again(attempts, pauseMs, attempt.because);
  const { status, retryAfter, text } = attempt;
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const said = `it answered ${status}${text === "" ? "" : `: ${text.slice(0, 200)}`}`;
  if (status >= 300 && status < 400) {
    return {
      kind: "undeliverable",
      because: `${said}; redirects are not followed: configure the address that it leads to`,
    };
  }
  if (isPassing(status)) {
    const asked = retryAfter === null ? null : parseRetryAfter(retryAfter, now);
    const waitMs = Math.max(pauseMs, Math.min(asked ?? 0, retryAfterMsMax));
    return again(attempts, waitMs, said);
  }
  return { kind: "undeliverable", because: said };
}

/** `Retry-After` in milliseconds from now: seconds, or an HTTP date. Null when it is neither. */
export function parseRetryAfter(text: string, now: Date): number | null {
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1_000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - now.getTime());
}

function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

function again(attempts: number, afterMs: number, because: string): Settlement {
  return attempts >= attemptsMax
    ? { kind: "undeliverable", because: `given up after ${attempts} attempts; at last ${because}` }
    : { kind: "retry", afterMs, because };
}
