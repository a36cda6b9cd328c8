/** One micro-batch, forward and backward: gradients leave the running graph bucket by bucket. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../../shared/engine/tensorflow.js';
import type { Trace } from '../../shared/engine/trace.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { l2normalize } from '../../shared/loss/normalize.js';
import { softmaxCrossEntropy } from '../../shared/loss/softmax.js';
import type { Bucket } from '../../shared/plan/buckets.js';
import type { Replica } from '../replica.js';
import type { StageShape } from '../stage-shape.js';
import { images, inferenceScope, ReplicaScope } from './scope.js';

export const bucketPort = (index: number): string => `bucket-${index}`;
export const embeddingPort = 'embedding';
export const upstreamPort = 'upstream';

/**
 * Inputs: `images` uint8 [m,32,32,3], `labels` int32 [m], and `dropoutSeed` int32 [2] where the stage drops out.
 * Ports out: every bucket, flat float32. n-pairs sends its L2-normalised rows at `embedding` and waits at `upstream` for
 * the gradient of the global loss with respect to them: the exact scheme, see docs/design.md.
 */
export function traceForwardBackward(
  replica: Replica,
  stage: StageShape,
  buckets: readonly Bucket[],
): TracedFunction {
  return replica.session.trace(`stage ${stage.index}: forward and backward`, (t) => {
    const scope = new ReplicaScope(t, replica, stage);
    const weights = stage.trained.map(({ name }) => t.read(replica.parameter(name)));
    // A frozen encoder stays outside of the gradient's tape: nothing of it is differentiated, nothing kept for it.
    const pixels = images(t, stage.input);
    const frozen = stage.freezesEncoder
      ? replica.model.encode(inferenceScope(t, replica), pixels)
      : undefined;
    const surrogate = (...values: Tensor[]): Tensor => {
      scope.bind(stage.trained, values);
      const features = frozen ?? replica.model.encode(scope, pixels);
      return stage.config.objective === 'npairs'
        ? contrastive(t, replica, scope, features)
        : classification(t, replica, scope, stage, features);
    };
    const { grads } = tf.valueAndGrads(surrogate as (...x: Tensor[]) => Tensor<never>)(weights);
    const gradients = new Map(stage.trained.map(({ name }, i) => [name, grads[i]!]));
    for (const bucket of buckets) {
      const parts = bucket.entries.map(({ name }) => {
        const tensor = gradients.get(name) ?? scope.observed(name);
        return tf.reshape(tensor, [-1]) as Tensor1D;
      });
      t.send(bucketPort(bucket.index), parts.length === 1 ? parts[0]! : tf.concat(parts));
    }
    scope.release();
    return {};
  });
}

function classification(
  t: Trace,
  replica: Replica,
  scope: ReplicaScope,
  stage: StageShape,
  features: Tensor2D,
): Tensor {
  const labels = t.input('labels', 'int32', [stage.input.count]) as Tensor1D;
  const logits = replica.model.classify(scope, features);
  const { loss, correct } = softmaxCrossEntropy(logits, labels, {
    globalCount: stage.input.count * stage.microBatches,
  });
  scope.observe('loss', loss);
  scope.observe('correct', correct);
  return loss;
}

/** Σ V · dV with dV fixed: its gradient with respect to the weights is that of the global loss. */
function contrastive(t: Trace, replica: Replica, scope: ReplicaScope, features: Tensor2D): Tensor {
  const rows = l2normalize(replica.model.project(scope, features));
  t.send(embeddingPort, rows);
  return tf.sum(tf.mul(rows, t.receive(upstreamPort, 'float32', rows.shape)));
}

/**
 * Forward only, as far as the embedding: the first pass of a step with more than one micro-batch a worker (GradCache).
 * BatchNorm takes the same micro-batch statistics as in the second pass, and leaves none behind.
 */
export function traceEmbed(replica: Replica, stage: StageShape): TracedFunction {
  return replica.session.trace(`stage ${stage.index}: embed`, (t) => {
    const scope = new ReplicaScope(t, replica, stage);
    const features = replica.model.encode(scope, images(t, stage.input));
    return { embedding: l2normalize(replica.model.project(scope, features)) };
  });
}
