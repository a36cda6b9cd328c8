/** Kernels in PyTorch's layout and in ours. Both directions turn the order of three axes around: out, in, window. */

/** The shape that [out,in,height,width] or [out,in] has with us; vectors are as they are. */
export function shapeFromTorch(shape: readonly number[]): number[] {
  const [outputs, inputs, ...window] = shape;
  return outputs === undefined || inputs === undefined ? [...shape] : [...window, inputs, outputs];
}

/** The shape that [height,width,in,out] or [in,out] has with PyTorch. */
export function shapeToTorch(shape: readonly number[]): number[] {
  const [inputs, outputs] = shape.slice(-2);
  return outputs === undefined || inputs === undefined
    ? [...shape]
    : [outputs, inputs, ...shape.slice(0, -2)];
}

/** Values of PyTorch's `shape`, in our order. */
export function fromTorch(values: Float32Array, shape: readonly number[]): Float32Array {
  const [outputs, inputs, ...window] = shape;
  if (outputs === undefined || inputs === undefined) return values;
  return turned(values, [outputs, inputs, window.reduce((product, extent) => product * extent, 1)]);
}

/** Values of our `shape`, in PyTorch's order. */
export function toTorch(values: Float32Array, shape: readonly number[]): Float32Array {
  const [inputs, outputs] = shape.slice(-2);
  if (outputs === undefined || inputs === undefined) return values;
  return turned(values, [
    shape.slice(0, -2).reduce((product, extent) => product * extent, 1),
    inputs,
    outputs,
  ]);
}

/** [a,b,c] to [c,b,a]. */
function turned(values: Float32Array, [a, b, c]: readonly [number, number, number]): Float32Array {
  const result = new Float32Array(values.length);
  let at = 0;
  for (let k = 0; k < c; k++) {
    for (let j = 0; j < b; j++) {
      for (let i = 0; i < a; i++) result[at++] = values[(i * b + j) * c + k]!;
    }
  }
  return result;
}
