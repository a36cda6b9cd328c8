/** The encoder in two halves: what is frozen, in inference mode, and what is trained. */
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import type { Trace } from '../../shared/engine/trace.js';
import type { Scope } from '../../shared/model/model.js';
import type { Replica } from '../replica.js';
import type { StageShape } from '../stage-shape.js';
import { inferenceScope } from './scope.js';

/**
 * Runs the frozen parts on the images, and returns what runs the others. Call it outside of the gradient's tape:
 * nothing of the frozen parts is then differentiated, and nothing kept for it.
 */
export function encodeFrozen(
  t: Trace,
  replica: Replica,
  { frozenParts, freezesEncoder }: StageShape,
  images: Tensor4D,
): (scope: Scope) => Tensor2D {
  const { encoder } = replica.model;
  const frozen = inferenceScope(t, replica);
  const activations = encoder.first(frozen, images, frozenParts);
  if (!freezesEncoder) return (scope) => encoder.rest(scope, activations, frozenParts);
  const features = encoder.rest(frozen, activations, frozenParts);
  return () => features;
}
