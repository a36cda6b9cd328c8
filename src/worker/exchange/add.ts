/** The addition in which gradients are summed: element by element, rounded to float32 once. */

/**
 * out[i] = a[i] + b[i]; `out` may be `a` or `b`. The sum is taken in double precision and rounded, which is the same as
 * adding in float32, since 53 ≥ 2·24 + 2 bits. Eight elements a turn: V8 does not unroll or vectorise, and this
 * halves its time.
 */
export function addInto(out: Float32Array, a: Float32Array, b: Float32Array): void {
  const { length } = out;
  let i = 0;
  for (; i + 8 <= length; i += 8) {
    out[i] = a[i]! + b[i]!;
    out[i + 1] = a[i + 1]! + b[i + 1]!;
    out[i + 2] = a[i + 2]! + b[i + 2]!;
    out[i + 3] = a[i + 3]! + b[i + 3]!;
    out[i + 4] = a[i + 4]! + b[i + 4]!;
    out[i + 5] = a[i + 5]! + b[i + 5]!;
    out[i + 6] = a[i + 6]! + b[i + 6]!;
    out[i + 7] = a[i + 7]! + b[i + 7]!;
  }
  for (; i < length; i += 1) out[i] = a[i]! + b[i]!;
}
