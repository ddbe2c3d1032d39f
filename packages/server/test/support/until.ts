type Answer<T> = T | null | undefined | false;

/**
 * Asks until the answer is something (neither null, undefined nor false), and returns it. Fails at the
 * deadline, saying what was waited for and, where asking failed, how it did last. The deadline is no promise of the
 * product's: a machine that is several times slower passes as well.
 */
export async function until<T>(
  what: string,
  ask: () => Answer<T> | Promise<Answer<T>>,
  withinMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let cause: unknown = null;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== null && answer !== undefined && answer !== false) return answer;
      cause = null;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${withinMs} ms in vain for ${what}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
