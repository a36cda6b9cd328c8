/** Products of matrices that count as a convolution's. */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import type { Attribute } from '../../engine/graph.js';
import { ofFloats, raw } from './raw.js';

/**
 * a [...,m,k] · b [...,k,n] to [...,m,n], one of them transposed where said. tfjs knows no gradient of it. BatchMatMulV2,
 * since mixed precision must tell a convolution's products from those of heads and objectives, which are MatMul and stay
 * in float32.
 */
export function matMul<T extends Tensor = Tensor2D>(a: T, b: T, transposed?: 'adj_x' | 'adj_y'): T {
  const flag = (name: string): Attribute => ({ kind: 'bool', value: name === transposed });
  return raw('BatchMatMulV2', [a, b], { ...ofFloats, adj_x: flag('adj_x'), adj_y: flag('adj_y') });
}
