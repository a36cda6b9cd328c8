/** The second half of a step: reduced gradients in, weights, slots and running statistics changed. Runs after commit. */
import type { Tensor1D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../../shared/engine/tensorflow.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { clipped, decayed, globalNorm } from '../../shared/optimizer/gradient.js';
import { optimizer, slotNames } from '../../shared/optimizer/optimizer.js';
import type { Bucket } from '../../shared/plan/buckets.js';
import type { Replica } from '../replica.js';
import type { StageShape } from '../stage-shape.js';
import { bucketPort } from './forward-backward.js';

/**
 * Inputs: `bucket-i` float32 [size] for every bucket, and the optimiser's (see `optimizerFeeds`). Output: `gradNorm`, the global norm before clipping.
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
    const { clipNorm, optimizer: config } = stage.config;
    const limited = clipNorm === undefined ? gradients : clipped(gradients, gradNorm, clipNorm);
    const update = optimizer(t, config);
    for (const [i, spec] of stage.trained.entries()) {
      const weight = replica.parameter(spec.name);
      const slots = slotNames(config).map((kind) => replica.slot(kind, spec.name));
      update(weight, slots, decayed(limited[i]!, t.read(weight), spec.decay ? config.weightDecay : 0));
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
