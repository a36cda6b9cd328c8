/**
 * base^exponent by squaring, for whole exponents from 0 on: products only, whose bits IEEE 754 fixes. ECMAScript leaves
 * the accuracy of its own power to the engine, and workers may have other versions of it.
 */
export function power(base: number, exponent: number): number {
  let result = 1;
  for (let [square, left] = [base, exponent]; left > 0; left = Math.floor(left / 2), square *= square) {
    if (left % 2 === 1) result *= square;
  }
  return result;
}
