/** One weight's part of an update. */
import type { Tensor } from '@tensorflow/tfjs-node-gpu';
import type { Variable } from '../engine/variable.js';

/** A weight that is to change. */
export interface Trained {
  readonly weight: Variable;
  /** In the order of `slotNames`. */
  readonly slots: readonly Variable[];
  /** Whether weight decay applies, and LARS's trust ratio: not to BatchNorm and biases. */
  readonly decays: boolean;
  /** What the learning rate is multiplied by. */
  readonly rateFactor: number;
}

/** Changes one weight and its slots; the gradient is that of the global batch, clipped, without weight decay. */
export type Update = (trained: Trained, gradient: Tensor) => void;
