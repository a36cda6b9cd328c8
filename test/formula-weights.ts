/** Weights that a formula gives by a tensor's name: the same float32 numbers as in bench/transfer_models.py. */

/** `count` numbers in [0, 1): FNV-1a of the name, then MurmurHash3's finaliser of each index. */
export function uniform(name: string, count: number): Float64Array {
  let seed = 0x811c9dc5;
  for (const byte of Buffer.from(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  return Float64Array.from({ length: count }, (_, i) => {
    let h = (Math.imul(i, 0x9e3779b1) + seed) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
  });
}

type Kind = 'kernel' | 'scale' | 'variance' | 'other';

/** Kernels have variance 2/fanIn; scales lie in 0.45…0.95, variances in 0.5…1.5, all else in −0.5…0.5. */
function formula(name: string, shape: readonly number[], kind: Kind, fanIn = 1): Float32Array {
  const limit = Math.sqrt(6 / fanIn);
  const of: Readonly<Record<Kind, (u: number) => number>> = {
    kernel: (u) => (2 * u - 1) * limit,
    scale: (u) => 0.45 + u / 2,
    variance: (u) => 0.5 + u,
    other: (u) => u - 0.5,
  };
  return Float32Array.from(uniform(name, product(shape)), of[kind]);
}

const product = (extents: readonly number[]) => extents.reduce((a, b) => a * b, 1);

/** A tensor of a file by the name and the shape that PyTorch gives it. */
export function torchValues(name: string, shape: readonly number[]): Float32Array {
  if (shape.length > 1) return formula(name, shape, 'kernel', product(shape.slice(1)));
  if (name.endsWith('.weight')) return formula(name, shape, 'scale');
  return formula(name, shape, name.endsWith('.running_var') ? 'variance' : 'other');
}

/** The same for Keras, by `layer/variable`. */
export function kerasValues(name: string, shape: readonly number[]): Float32Array {
  if (name.endsWith('/kernel')) return formula(name, shape, 'kernel', product(shape.slice(0, -1)));
  if (name.endsWith('/gamma')) return formula(name, shape, 'scale');
  return formula(name, shape, name.endsWith('/moving_variance') ? 'variance' : 'other');
}

/** uint8 images [count,32,32,3]. */
export function pixels(count: number): Uint8Array {
  return Uint8Array.from(uniform('pixels', count * 32 * 32 * 3), (u) => Math.floor(u * 256));
}
