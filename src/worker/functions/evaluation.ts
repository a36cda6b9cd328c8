/** Inference over one evaluation batch: what encoder and projection head make of images, and the classifier of features. */
import type { NamedTensorMap, Tensor2D } from '@tensorflow/tfjs-node-gpu';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { l2normalize } from '../../shared/loss/normalize.js';
import type { Replica } from '../replica.js';
import { type InputShape, images } from './images.js';
import { inferenceScope } from './scope.js';

/**
 * Input: `images` uint8 [e,32,32,3]. Outputs: `features` float32 [e,f], the encoder's; and `embeddings` [e,d], the
 * projection head's rows of length 1, where they are wanted.
 */
export function traceEncoding(
  replica: Replica,
  name: string,
  shape: InputShape,
  { embeddings }: { readonly embeddings: boolean },
): TracedFunction {
  return replica.session.trace(name, (t): NamedTensorMap => {
    const { model } = replica;
    const scope = inferenceScope(t, replica);
    const features = model.encode(scope, images(t, shape));
    return { features, ...(embeddings ? { embeddings: l2normalize(model.project(scope, features)) } : {}) };
  });
}

/** Input: `features` float32 [count,f]. Output: `logits` float32 [count,10]. */
export function traceClassifier(replica: Replica, name: string, count: number): TracedFunction {
  return replica.session.trace(name, (t) => {
    const { model } = replica;
    const features = t.input('features', 'float32', [count, model.featureWidth]) as Tensor2D;
    return { logits: model.classify(inferenceScope(t, replica), features) };
  });
}
