/** Forward in inference mode over one evaluation batch: what the model makes of each image. */
import type { NamedTensorMap } from '@tensorflow/tfjs-node-gpu';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import { l2normalize } from '../../shared/loss/normalize.js';
import type { ModelOutput } from '../../shared/protocol/messages.js';
import type { Replica } from '../replica.js';
import { type InputShape, images, inferenceScope } from './scope.js';

/**
 * Input: `images` uint8 [e,32,32,3]. Outputs, those that are named: `logits` float32 [e,10]; `features` [e,f], the
 * encoder's; `embeddings` [e,d], the projection head's rows of length 1.
 */
export function traceEvaluation(
  replica: Replica,
  name: string,
  shape: InputShape,
  outputs: readonly ModelOutput[],
): TracedFunction {
  return replica.session.trace(name, (t) => {
    const { model } = replica;
    const scope = inferenceScope(t, replica);
    const features = model.encode(scope, images(t, shape));
    const made = {
      logits: () => model.classify(scope, features),
      features: () => features,
      embeddings: () => l2normalize(model.project(scope, features)),
    };
    return Object.fromEntries(outputs.map((output) => [output, made[output]()])) as NamedTensorMap;
  });
}
