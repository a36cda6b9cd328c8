/** Forward in inference mode over one evaluation batch; sums over its real rows only. */
import type { Tensor1D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../../shared/engine/tensorflow.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { perExampleCrossEntropy } from '../../shared/loss/softmax.js';
import type { Replica } from '../replica.js';
import { type InputShape, images, inferenceScope } from './scope.js';

/**
 * Inputs: `images` uint8 [e,32,32,3], `labels` int32 [e], `mask` float32 [e]: 1 for a real row, 0 for padding.
 * Outputs: `loss`, the sum of the rows' cross-entropies in nats, and `correct`, how many the model gets right.
 */
export function traceEvaluation(replica: Replica, name: string, shape: InputShape): TracedFunction {
  return replica.session.trace(name, (t) => {
    const scope = inferenceScope(t, replica);
    const logits = replica.model.classify(scope, replica.model.encode(scope, images(t, shape)));
    const labels = t.input('labels', 'int32', [shape.count]) as Tensor1D;
    const mask = t.input('mask', 'float32', [shape.count]) as Tensor1D;
    const { loss, correct } = perExampleCrossEntropy(logits, labels);
    return { loss: tf.sum(tf.mul(loss, mask)), correct: tf.sum(tf.mul(correct, mask)) };
  });
}
