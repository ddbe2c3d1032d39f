export { chance } from "../../src/signals/chance.ts";

/** The standard error of a share of `p` measured over `n` runs. */
export function standardError(p: number, n: number): number {
  return Math.sqrt((p * (1 - p)) / n);
}

/** What the Monte Carlo tests run under; `SEED=7` plays another world. */
export const seed = Number(process.env.SEED ?? 1);
