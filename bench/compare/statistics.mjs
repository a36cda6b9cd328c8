// Medians over rounds, and ratios that compare only what ran in the same round.
// @ts-check

/** @typedef {{ readonly median: number, readonly min: number, readonly max: number }} Summary */

/**
 * @param {readonly number[]} values at least one number
 * @returns {number} the middle one, or the mean of the two in the middle
 */
export function median(values) {
  if (values.length === 0) throw new RangeError('the median of no values was asked for');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = /** @type {number} */ (sorted[middle]);
  return sorted.length % 2 === 1 ? upper : (upper + /** @type {number} */ (sorted[middle - 1])) / 2;
}

/**
 * @param {readonly number[]} values at least one number
 * @returns {Summary}
 */
export function summary(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Divides round by round, because a shared machine drifts between rounds far more than within one.
 * @param {readonly (number | undefined)[]} above one value a round, undefined where that run failed
 * @param {readonly (number | undefined)[]} below the same for the divisor
 * @returns {number[]} the quotients of the rounds in which both are there
 */
export function ratiosByRound(above, below) {
  const ratios = [];
  for (const [round, value] of above.entries()) {
    const divisor = below[round];
    if (value !== undefined && divisor !== undefined) ratios.push(value / divisor);
  }
  return ratios;
}
