/**
 * Evidence across the fleet: whoever watches a hundred releases sees one look bad by chance.
 *
 * e-BH at level q: of N hypotheses the k strongest are rejected, for the greatest k whose k-th strongest has
 * e >= N / (k q). Among what is rejected so, at most a share q is wrongly so on average, however the
 * hypotheses depend on each other. A detector of late onset takes part with R / (q B): alone it is rejected at
 * R >= B.
 * Source: Wang and Ramdas, False discovery rate control with e-values, 2022.
 */

/** q: of what is rolled back by itself, at most this share on average was not worse. */
export const fleetLevel = 0.01;

/** log of the least evidence that is rejected; where none is, what one alone would need. */
export function leastToStandOut(all: readonly number[], level = fleetLevel): number {
  const sorted = all.toSorted((one, other) => other - one);
  const n = Math.max(1, sorted.length);
  let least = Math.log(n / level);
  for (const [index, logE] of sorted.entries()) {
    if (logE >= Math.log(n / ((index + 1) * level))) least = logE;
  }
  return least;
}
