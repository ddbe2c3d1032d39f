import { addAbortListener } from "node:events";

/**
 * What `work` gives. Rejects with the signal's reason once that aborts, and when it has aborted before: the work is then
 * no longer waited for.
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _ = addAbortListener(signal, () => reject(signal.reason));
  return await Promise.race([work, aborted]);
}
