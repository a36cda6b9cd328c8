/** One micro-batch, forward and backward: gradients leave the running graph bucket by bucket. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import { isContrastive } from '../../shared/config/objectives.js';
import type { SoftmaxStage } from '../../shared/config/schema.js';
import { tf } from '../../shared/engine/tensorflow.js';
import type { Trace } from '../../shared/engine/trace.js';
import type { Feeds, TracedFunction } from '../../shared/engine/traced-function.js';
import { l2normalize } from '../../shared/loss/normalize.js';
import { softmaxCrossEntropy } from '../../shared/loss/softmax.js';
import type { Bucket } from '../../shared/plan/buckets.js';
import type { MicroBatch } from '../micro-batch.js';
import type { Replica } from '../replica.js';
import type { StageShape } from '../stage-shape.js';
import { encoding } from './encode.js';
import type { Host } from './host.js';
import { lossScale } from './loss-scale.js';
import { ReplicaScope } from './scope.js';

/**
 * Inputs: `images` uint8 [rows,32,32,3] (`features` float32 [rows,f] where the stage caches them), `labels` int32 [rows],
 * `dropoutSeed` int32 [2] where the stage drops out, and what augmentation needs: see `feedsOf`. Every bucket is sent to
 * the host. A contrastive stage exchanges its L2-normalised rows for the gradient of the global loss with respect to
 * them: the exact scheme, see docs/design.md.
 */
export function traceForwardBackward(
  name: string,
  replica: Replica,
  stage: StageShape,
  buckets: readonly Bucket[],
  hostOf: (t: Trace) => Host,
): TracedFunction {
  return replica.session.trace(name, (t) => {
    const host = hostOf(t);
    const scope = new ReplicaScope(t, replica, stage, host);
    const weights = stage.trained.map(({ name }) => t.read(replica.trained(name)));
    const scale = lossScale(t, replica, stage);
    const encode = encoding(t, replica, stage, scope);
    const surrogate = (...values: Tensor[]): Tensor => {
      scope.bind(stage.trained, values);
      const features = encode();
      const loss = isContrastive(stage.config)
        ? contrastive(host, replica, scope, features)
        : classification(t, replica, scope, stage, stage.config, features);
      return scale === undefined ? loss : tf.mul(loss, scale);
    };
    const { grads } = tf.valueAndGrads(surrogate as (...x: Tensor[]) => Tensor<never>)(weights);
    const gradients = new Map(stage.trained.map(({ name }, i) => [name, grads[i]!]));
    for (const bucket of buckets) {
      const parts = bucket.entries.map(({ name }) => {
        const tensor = gradients.get(name) ?? scope.observed(name);
        return tf.reshape(tensor, [-1]) as Tensor1D;
      });
      host.send(bucket.index, parts.length === 1 ? parts[0]! : tf.concat(parts));
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
  { labelSmoothing }: SoftmaxStage,
  features: Tensor2D,
): Tensor {
  const labels = t.input('labels', 'int32', [stage.input.count]) as Tensor1D;
  const logits = replica.model.classify(scope, features);
  const { loss, correct } = softmaxCrossEntropy(logits, labels, {
    globalCount: stage.input.count * stage.microBatches,
    smoothing: labelSmoothing,
  });
  scope.observe('loss', loss);
  scope.observe('correct', correct);
  return loss;
}

/** Σ V · dV with dV fixed: its gradient with respect to the weights is that of the global loss. */
function contrastive(host: Host, replica: Replica, scope: ReplicaScope, features: Tensor2D): Tensor {
  const rows = l2normalize(replica.model.project(scope, features));
  return tf.sum(tf.mul(rows, host.exchange('embeddings', 'embeddings', rows)));
}

/** The inputs of a run on this micro-batch. */
export function feedsOf(
  { config, dropsOut }: StageShape,
  { images, features, labels, dropoutSeed, augmentation }: MicroBatch,
): Feeds {
  return {
    ...(features === undefined ? { images } : { features }),
    ...augmentation,
    ...(isContrastive(config) ? {} : { labels }),
    ...(dropsOut ? { dropoutSeed } : {}),
  };
}

/**
 * Forward only, as far as the embedding: the first pass of a step with more than one micro-batch a worker (GradCache).
 * BatchNorm takes the same micro-batch statistics as in the second pass, and leaves none behind.
 */
export function traceEmbed(replica: Replica, stage: StageShape): TracedFunction {
  return replica.session.trace(`stage ${stage.index}: embed`, (t) => {
    const scope = new ReplicaScope(t, replica, stage);
    const features = encoding(t, replica, stage, scope)();
    const embedding = l2normalize(replica.model.project(scope, features));
    scope.release();
    return { embedding };
  });
}
