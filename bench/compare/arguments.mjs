// What the benchmarks' command lines have in common.
// @ts-check

/**
 * @param {Readonly<Record<string, number>>} options by name
 * @param {number} least
 * @throws {Error} naming the first that is no whole number from `least` up
 */
export function checkCounts(options, least) {
  for (const [name, value] of Object.entries(options)) {
    if (!Number.isInteger(value) || value < least)
      throw new Error(`--${name} must be a whole number from ${least} up`);
  }
}
