/** The contrastive objective over the gathered global batch; every worker computes the same bits. */
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import type { ContrastiveStage } from '../../shared/config/schema.js';
import type { Session } from '../../shared/engine/session.js';
import { tf } from '../../shared/engine/tensorflow.js';
import type { Trace } from '../../shared/engine/trace.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { npairsGradient } from '../../shared/loss/npairs.js';
import { ntxentGradient } from '../../shared/loss/ntxent.js';
import { supconGradient } from '../../shared/loss/supcon.js';
import { tripletGradient } from '../../shared/loss/triplet.js';
import { imagesOfRows } from '../../shared/plan/views.js';

export interface ObjectiveShape {
  readonly microBatches: number;
  /** Of one micro-batch, all views. */
  readonly rows: number;
  readonly width: number;
}

interface Gradient {
  readonly loss: Scalar;
  /** The loss above its floor, where that can be compared across batch sizes. */
  readonly excess?: Scalar;
  /** [B,d] */
  readonly dV: Tensor2D;
}

/**
 * Inputs: `rows` float32 [B,d], all workers' L2-normalised embeddings in micro-batch order, and `labels` int32 [B].
 * Outputs: `loss`, `excess` where the objective has one, and `upstream` [B,d], the gradient of the loss with respect to the
 * rows.
 */
export function traceObjective(
  session: Session,
  name: string,
  stage: ContrastiveStage,
  { microBatches, rows, width }: ObjectiveShape,
): TracedFunction {
  const count = microBatches * rows;
  const build = (t: Trace) => {
    const V = t.input('rows', 'float32', [count, width]) as Tensor2D;
    const labels = t.input('labels', 'int32', [count]) as Tensor1D;
    const images = imagesOfRows(microBatches, rows / stage.views, stage.views);
    const { loss, excess, dV } = gradientOf(stage, V, labels, images);
    return { loss, upstream: dV, ...(excess === undefined ? {} : { excess }) };
  };
  return session.trace(name, build, { beside: true });
}

/** @param images which image a row shows, see plan/views.ts */
function gradientOf(stage: ContrastiveStage, V: Tensor2D, labels: Tensor1D, images: Int32Array): Gradient {
  switch (stage.objective) {
    case 'npairs':
      return npairsGradient(V, labels, stage.temperature);
    case 'supcon':
      return supconGradient(V, labels, stage.temperature);
    case 'ntxent':
      return ntxentGradient(V, tf.tensor1d(images, 'int32'), stage.temperature);
    case 'triplet':
      return tripletGradient(V, labels, stage.margin);
  }
}
