/** A cosine that is the same on every machine: Math.cos may differ in its last bits between versions of V8. */

/**
 * cos(π·t) for t in [0, 1], to 2e-15, from + − * / only: sin(x) at x = π(½ − t) by its Taylor series up to x²¹.
 */
export function cosinePi(t: number): number {
  const x = Math.PI * (0.5 - t);
  let term = x;
  let sum = x;
  for (let n = 2; n <= 20; n += 2) {
    term *= -(x * x) / (n * (n + 1));
    sum += term;
  }
  return sum;
}
