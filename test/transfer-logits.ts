/** What a replica with weights from a file makes of images, on the way that a run takes: file, match, replica, graph. */
import { matchTensors } from '../src/coordinator/weights/match.js';
import { openWeights } from '../src/coordinator/weights/open.js';
import type { ModelConfig } from '../src/shared/config/schema.js';
import { Session } from '../src/shared/engine/session.js';
import { buildModel } from '../src/shared/model/model.js';
import { images } from '../src/worker/functions/images.js';
import { inferenceScope } from '../src/worker/functions/scope.js';
import { Replica } from '../src/worker/replica.js';

/** @param pixels uint8 [count,32,32,3] @returns [count,10] */
export async function logitsOf(
  config: ModelConfig,
  path: string,
  pixels: Uint8Array,
  count: number,
): Promise<Float32Array> {
  const session = new Session({ precision: 'float32', device: 'cpu' });
  const file = await openWeights(path);
  try {
    const model = buildModel(config);
    const replica = new Replica(session, model);
    const { tensors } = matchTensors([...model.parameters, ...model.statistics], file);
    const values = new Map<string, Float32Array>();
    for (const { name, read } of tensors) values.set(name, await read());
    await replica.load(values);
    const traced = session.trace('logits', (t) => {
      const scope = inferenceScope(t, replica);
      const input = images(t, { count, model: config });
      return { logits: model.classify(scope, model.encode(scope, input)) };
    });
    const { logits } = await traced.run({ images: pixels });
    const copy = logits!.floats.slice();
    logits!.free();
    return copy;
  } finally {
    await file.close();
    await session.close();
  }
}
