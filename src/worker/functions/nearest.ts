/** The nearest of kept features by cosine, block by block. */
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tfType } from '../../shared/engine/dtype.js';
import type { Session } from '../../shared/engine/session.js';
import { tf } from '../../shared/engine/tensorflow.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { l2normalize } from '../../shared/loss/normalize.js';
import { product } from '../../shared/model/ops/dense.js';
import { raw, rawOutputs } from '../../shared/model/ops/raw.js';

export interface NearestShape {
  /** Features that are compared at a time. */
  readonly queries: number;
  /** Kept features in a block. */
  readonly block: number;
  readonly width: number;
  readonly k: number;
}

/** Below every cosine: what pads a block, and what is there before the first block. */
export const nowhere = -4;

/**
 * Inputs: `queries` float32 [q,f]; `block` float32 [b,f], with `padding` float32 [b], 0 for a feature and `nowhere` for
 * what pads the block, and `images` int32 [b]; and what earlier blocks gave, `best` float32 [q,k] and `bestImages` int32.
 * Outputs: `similarities` [q,k], cosines, largest first, and their `images`. Of equal ones the earlier goes first.
 */
export function traceNearest(
  session: Session,
  name: string,
  { queries, block, width, k }: NearestShape,
): TracedFunction {
  return session.trace(name, (t) => {
    const cosines = product(
      l2normalize(t.input('queries', 'float32', [queries, width]) as Tensor2D),
      l2normalize(t.input('block', 'float32', [block, width]) as Tensor2D),
      { transpose_b: { kind: 'bool', value: true } },
    );
    const padded = tf.add(cosines, t.input('padding', 'float32', [block]) as Tensor1D);
    const best = t.input('best', 'float32', [queries, k]) as Tensor2D;
    // Of equal values TopKV2 puts that with the lower index first.
    const [similarities, places] = rawOutputs(
      'TopKV2',
      [tf.concat([best, padded], 1), tf.scalar(k, 'int32')],
      { T: { kind: 'type', value: tfType.float32 }, sorted: { kind: 'bool', value: true } },
      2,
    );
    const images = tf.tile(tf.expandDims(t.input('images', 'int32', [block]), 0), [queries, 1]);
    const candidates = tf.concat(
      [t.input('bestImages', 'int32', [queries, k]) as Tensor2D, images as Tensor2D],
      1,
    );
    return { similarities: similarities!, images: gatherRows(candidates as Tensor2D, places as Tensor2D) };
  });
}

/** out[i,j] = x[i, places[i,j]] */
function gatherRows(x: Tensor2D, places: Tensor2D): Tensor2D {
  const int32 = { kind: 'type', value: tfType.int32 } as const;
  return raw('GatherV2', [x, places, tf.scalar(1, 'int32')], {
    ...{ Tparams: int32, Tindices: int32, Taxis: int32 },
    batch_dims: { kind: 'int', value: 1 },
  });
}
