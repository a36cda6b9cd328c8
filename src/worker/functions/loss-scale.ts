/** The loss scale in a trace. */
import type { Scalar, Tensor, Tensor1D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../../shared/engine/tensorflow.js';
import type { Trace } from '../../shared/engine/trace.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { ofFloats } from '../../shared/model/ops/raw.js';
import { lossScaleState, nextLossScale } from '../../shared/optimizer/loss-scaling.js';
import type { Replica } from '../replica.js';
import type { StageShape } from '../stage-shape.js';

/** What the loss is multiplied by, and its reduced gradients are divided by; undefined where nothing is scaled. */
export function lossScale(t: Trace, replica: Replica, { lossScale }: StageShape): Scalar | undefined {
  switch (lossScale.kind) {
    case 'none':
      return undefined;
    case 'fixed':
      return tf.scalar(lossScale.value);
    case 'dynamic':
      return tf.reshape(tf.slice(t.read(replica.state(lossScaleState.name)), 0, 1), []);
  }
}

/** Records an update. With a dynamic scale it is run only where the gradients' norm is finite, and the scale moves on. */
export function guarded(
  t: Trace,
  replica: Replica,
  { lossScale }: StageShape,
  gradNorm: Scalar,
  update: () => void,
): void {
  if (lossScale.kind !== 'dynamic') {
    update();
    return;
  }
  const [finite] = t.op('IsFinite', [gradNorm], ofFloats) as [Tensor];
  const state = replica.state(lossScaleState.name);
  t.onlyIf(finite, update);
  // After the norm, so after the scale that it was divided by was read.
  t.assign(state, nextLossScale(t.read(state) as Tensor1D, finite, lossScale.growthInterval));
}

/** Output: `state`, what the next step finds. */
export function traceLossScale(
  replica: Replica,
  { index, lossScale }: StageShape,
): TracedFunction | undefined {
  if (lossScale.kind !== 'dynamic') return undefined;
  const name = `stage ${index}: loss scale`;
  const build = (t: Trace) => ({ state: t.read(replica.state(lossScaleState.name)) });
  return replica.session.trace(name, build, { beside: true });
}
