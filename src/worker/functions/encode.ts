/** The encoder in two halves: what is frozen, in inference mode, and what is trained. */
import type { Tensor2D } from '@tensorflow/tfjs-node-gpu';
import type { Trace } from '../../shared/engine/trace.js';
import type { Replica } from '../replica.js';
import type { StageShape } from '../stage-shape.js';
import { images } from './images.js';
import { inferenceScope, type ReplicaScope } from './scope.js';

/**
 * Runs the frozen parts on the images input, and returns what runs the others and gives the features. Call it outside of
 * the gradient's tape: nothing of the frozen parts is then differentiated, and nothing kept for it. Where all are frozen
 * the features may come from a cache, as an input of their own.
 */
export function encoding(t: Trace, replica: Replica, stage: StageShape, scope: ReplicaScope): () => Tensor2D {
  const { frozenParts, freezesEncoder, cachesFeatures, input } = stage;
  const { encoder, featureWidth } = replica.model;
  if (cachesFeatures) {
    const features = t.input('features', 'float32', [input.count, featureWidth]) as Tensor2D;
    return () => features;
  }
  const frozen = inferenceScope(t, replica);
  const activations = encoder.first(frozen, images(t, input), frozenParts);
  if (!freezesEncoder) return () => encoder.rest(scope, activations, frozenParts);
  const features = encoder.rest(frozen, activations, frozenParts);
  return () => features;
}
