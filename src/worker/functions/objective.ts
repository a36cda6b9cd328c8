/** The contrastive objective over the gathered global batch; every worker computes the same bits. */
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import type { Session } from '../../shared/engine/session.js';
import type { Trace } from '../../shared/engine/trace.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { npairsGradient } from '../../shared/loss/npairs.js';

export interface ObjectiveShape {
  readonly globalBatch: number;
  readonly width: number;
  readonly temperature: number;
}

/**
 * Inputs: `rows` float32 [B,d], all workers' L2-normalised embeddings in micro-batch order, and `labels` int32 [B].
 * Outputs: `loss`, `excess`, and `upstream` [B,d], the gradient of the loss with respect to the rows.
 */
export function traceObjective(session: Session, name: string, shape: ObjectiveShape): TracedFunction {
  const build = (t: Trace) => {
    const rows = t.input('rows', 'float32', [shape.globalBatch, shape.width]) as Tensor2D;
    const labels = t.input('labels', 'int32', [shape.globalBatch]) as Tensor1D;
    const { loss, excess, dV } = npairsGradient(rows, labels, shape.temperature);
    return { loss, excess, upstream: dV };
  };
  return session.trace(name, build, { beside: true });
}
