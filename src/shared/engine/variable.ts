/** Weights, optimiser slots and statistics: resource variables that stay in the session, on its device. */
import type { GraphOutput } from './graph.js';

export interface Variable {
  readonly name: string;
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  /** The output of its VarHandleOp. */
  readonly handle: GraphOutput;
}
