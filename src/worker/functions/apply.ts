/** The second half of a step: reduced gradients in, weights, slots and running statistics changed. Runs after commit. */
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-node-gpu';
import type { OptimizerConfig } from '../../shared/config/schema.js';
import { tfType } from '../../shared/engine/dtype.js';
import type { Attributes } from '../../shared/engine/graph.js';
import { tf } from '../../shared/engine/tensorflow.js';
import type { Trace } from '../../shared/engine/trace.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import type { ParameterSpec } from '../../shared/model/model.js';
import { clipped, decayed, globalNorm } from '../../shared/optimizer/gradient.js';
import { slotNames } from '../../shared/optimizer/optimizer.js';
import type { Bucket } from '../../shared/plan/buckets.js';
import type { Replica } from '../replica.js';
import type { StageShape } from '../stage-shape.js';
import { bucketPort } from './forward-backward.js';

/**
 * Inputs: `bucket-i` float32 [size] for every bucket, `learningRate`, and for Adam `beta1Power` and `beta2Power`
 * (β^t of this step, t counted from 1). Output: `gradNorm`, the global norm before clipping.
 */
export function traceApply(replica: Replica, stage: StageShape, buckets: readonly Bucket[]): TracedFunction {
  return replica.session.trace(`stage ${stage.index}: apply`, (t) => {
    const reduced = new Map<string, Tensor1D>();
    for (const { index, size, entries } of buckets) {
      const flat = t.input(bucketPort(index), 'float32', [size]) as Tensor1D;
      const parts =
        entries.length === 1
          ? [flat]
          : tf.split(
              flat,
              entries.map((entry) => entry.size),
            );
      for (const [i, { name }] of entries.entries()) reduced.set(name, parts[i] as Tensor1D);
    }
    const gradients = stage.trained.map(({ name, shape }) =>
      tf.reshape(reduced.get(name)!, shape as number[]),
    );
    const gradNorm = globalNorm(gradients);
    const { clipNorm, optimizer } = stage.config;
    const limited = clipNorm === undefined ? gradients : clipped(gradients, gradNorm, clipNorm);
    const update = updater(t, replica, optimizer, t.input('learningRate', 'float32', []));
    for (const [i, spec] of stage.trained.entries()) {
      const weightDecay = spec.decay ? optimizer.weightDecay : 0;
      update(spec, decayed(limited[i]!, t.read(replica.parameter(spec.name)), weightDecay));
    }
    for (const { name, shape } of stage.observedStatistics) {
      const variable = replica.statistic(name);
      const mean = tf.div(tf.reshape(reduced.get(name)!, shape as number[]), stage.microBatches);
      const momentum = stage.statisticsMomentum;
      t.assign(variable, tf.add(tf.mul(t.read(variable), momentum), tf.mul(mean, 1 - momentum)));
    }
    return { gradNorm };
  });
}

/**
 * SGD: v ← μv + g; w ← w − η(g + μv) with Nesterov, w − ηv without (PyTorch's form, TensorFlow's
 * ResourceApplyMomentum). Adam: Kingma and Ba with ε̂ beside √v (ResourceApplyAdam).
 */
function updater(t: Trace, replica: Replica, config: OptimizerConfig, learningRate: Tensor) {
  const kinds = slotNames(config);
  const type: Attributes = { T: { kind: 'type', value: tfType.float32 } };
  const variables = ({ name }: ParameterSpec) => [
    replica.parameter(name),
    ...kinds.map((kind) => replica.slot(kind, name)),
  ];
  if (config.kind === 'sgd') {
    const momentum = tf.scalar(config.momentum);
    const attributes: Attributes = { ...type, use_nesterov: { kind: 'bool', value: config.nesterov } };
    return (spec: ParameterSpec, gradient: Tensor) => {
      t.op('ResourceApplyMomentum', [...variables(spec), learningRate, gradient, momentum], attributes);
    };
  }
  const powers = [t.input('beta1Power', 'float32', []), t.input('beta2Power', 'float32', [])];
  const constants = [tf.scalar(config.beta1), tf.scalar(config.beta2), tf.scalar(config.epsilon)];
  return (spec: ParameterSpec, gradient: Tensor) => {
    t.op('ResourceApplyAdam', [...variables(spec), ...powers, learningRate, ...constants, gradient], type);
  };
}
