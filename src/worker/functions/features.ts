/** Forward in inference mode as far as the encoder goes. */
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import type { Replica } from '../replica.js';
import { type InputShape, images, inferenceScope } from './scope.js';

/** Input: `images` uint8 [e,32,32,3]. Output: `features` float32 [e,f], what the encoder makes of them. */
export function traceFeatures(replica: Replica, name: string, shape: InputShape): TracedFunction {
  return replica.session.trace(name, (t) => ({
    features: replica.model.encode(inferenceScope(t, replica), images(t, shape)),
  }));
}
