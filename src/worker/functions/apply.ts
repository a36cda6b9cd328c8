/** The second half of a step: reduced gradients in, weights, slots and running statistics changed. Runs after commit. */
import type { Scalar, Tensor, Tensor1D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../../shared/engine/tensorflow.js';
import type { Trace } from '../../shared/engine/trace.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { clipFactor } from '../../shared/optimizer/gradient.js';
import { optimizer, slotNames } from '../../shared/optimizer/optimizer.js';
import type { Bucket } from '../../shared/plan/buckets.js';
import type { Replica } from '../replica.js';
import type { StageShape } from '../stage-shape.js';
import { slotName } from '../stage-state.js';
import { averages } from './average.js';
import { guarded, lossScale } from './loss-scale.js';

export const bucketInput = (index: number): string => `bucket-${index}`;
export const normInput = 'scaledNorm';

/**
 * Inputs: `bucket-i` float32 [size] for every bucket, `scaledNorm` float32 [], the norm of all gradients together, those of
 * the optimiser (see `optimizerFeeds`), and `averageRest` where the stage averages. With dynamic loss scaling a step whose
 * norm is not finite changes nothing but the scale.
 */
export function traceApply(replica: Replica, stage: StageShape, buckets: readonly Bucket[]): TracedFunction {
  return replica.session.trace(`stage ${stage.index}: apply`, (t) => {
    const reduced = unpack(t, buckets);
    const tensor = ({ name, shape }: { name: string; shape: readonly number[] }): Tensor =>
      tf.reshape(reduced.get(name)!, shape as number[]);
    const gradients = stage.trained.map(tensor);
    const { clipNorm, optimizer: config, ema } = stage.config;
    const scale = lossScale(t, replica, stage);
    const scaledNorm = t.input(normInput, 'float32', []) as Scalar;
    const gradNorm = scale === undefined ? scaledNorm : tf.div<Scalar>(scaledNorm, scale);
    const clip = clipNorm === undefined ? undefined : clipFactor(gradNorm, clipNorm);
    const factor = scale === undefined ? clip : tf.div(clip ?? 1, scale);
    const update = optimizer(t, config, replica.session.config.device);
    const average = ema === undefined ? undefined : averages(t);
    guarded(t, replica, stage, gradNorm, () => {
      const updates = stage.trained.map(({ name, decay }, i) => () => {
        const weight = replica.trained(name);
        const trained = {
          weight,
          slots: slotNames(config).map((kind) => replica.state(slotName(kind, name))),
          decays: decay,
          rateFactor: stage.rateFactors.get(name)!,
        };
        const gradient = factor === undefined ? gradients[i]! : tf.mul(gradients[i]!, factor);
        t.inOrder(
          () => update(trained, gradient),
          () => average?.(replica.parameter(name), t.read(weight)),
        );
      });
      // One tensor after the other: all at once would be all products of weight decay, then all sums, each from memory.
      t.inOrder(...updates);
      for (const statistic of stage.observedStatistics) {
        const variable = replica.trained(statistic.name);
        const mean = tf.div(tensor(statistic), stage.microBatches);
        const momentum = stage.statisticsMomentum;
        const next = tf.add(tf.mul(t.read(variable), momentum), tf.mul(mean, 1 - momentum));
        t.assign(variable, next);
        average?.(replica.statistic(statistic.name), next);
      }
    });
    return {};
  });
}

/** The buckets' tensors by name, flat. */
function unpack(t: Trace, buckets: readonly Bucket[]): ReadonlyMap<string, Tensor1D> {
  const reduced = new Map<string, Tensor1D>();
  for (const { index, size, entries } of buckets) {
    const flat = t.input(bucketInput(index), 'float32', [size]) as Tensor1D;
    const sizes = entries.map((entry) => entry.size);
    const parts = entries.length === 1 ? [flat] : tf.split(flat, sizes);
    for (const [i, { name }] of entries.entries()) reduced.set(name, parts[i] as Tensor1D);
  }
  return reduced;
}
