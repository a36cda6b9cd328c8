/** What the classifier makes of one evaluation batch, in inference mode; sums over its real rows only. */
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../../shared/engine/tensorflow.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { perExampleCrossEntropy } from '../../shared/loss/softmax.js';
import type { Replica } from '../replica.js';
import { inferenceScope } from './scope.js';

/**
 * Inputs: `features` float32 [e,f], what the encoder makes of the images, `labels` int32 [e], `mask` float32 [e]: 1 for a real row, 0 for padding.
 * Outputs: `loss`, the sum of the rows' cross-entropies in nats, and `correct`, how many the model gets right.
 */
export function traceEvaluation(replica: Replica, name: string, count: number): TracedFunction {
  return replica.session.trace(name, (t) => {
    const { model } = replica;
    const features = t.input('features', 'float32', [count, model.featureWidth]) as Tensor2D;
    const logits = model.classify(inferenceScope(t, replica), features);
    const labels = t.input('labels', 'int32', [count]) as Tensor1D;
    const mask = t.input('mask', 'float32', [count]) as Tensor1D;
    const { loss, correct } = perExampleCrossEntropy(logits, labels);
    return { loss: tf.sum(tf.mul(loss, mask)), correct: tf.sum(tf.mul(correct, mask)) };
  });
}
