/** Powers with the same bits on every machine: Math.pow and Math.exp may differ in their last bits between versions of V8. */

/**
 * base^exponent for base > 0 and an exponent in [0, 1), to about 1e-14 relative: the product of base^(2⁻ᵏ) over the
 * exponent's binary digits, which are repeated square roots. IEEE 754 fixes sqrt and *.
 */
export function power(base: number, exponent: number): number {
  let root = base;
  let rest = exponent;
  let result = 1;
  while (rest > 0) {
    root = Math.sqrt(root);
    rest *= 2;
    if (rest >= 1) {
      result *= root;
      rest -= 1;
    }
  }
  return result;
}
