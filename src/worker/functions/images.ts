/** The images that a traced function is given. */
import type { Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { pixelAugmentation } from '../../shared/augment/pixels.js';
import type { AugmentConfig } from '../../shared/config/augment.js';
import type { Trace } from '../../shared/engine/trace.js';
import { type InputConfig, networkInput } from '../../shared/model/input.js';
import { imageShape } from '../../shared/model/model.js';

/** What the images input of a function looks like, and what becomes of it. */
export interface InputShape {
  /** Images a run. */
  readonly count: number;
  readonly model: InputConfig;
  /** In training. What it needs beside whole pixels is computed in the graph, from inputs of its own. */
  readonly augment?: AugmentConfig;
}

/** The images input: bytes to the device, augmented there and made network input. Float32 [count,size,size,3]. */
export function images(t: Trace, { count, model, augment }: InputShape): Tensor4D {
  const pixels = t.input('images', 'uint8', [count, ...imageShape]) as Tensor4D;
  const change =
    augment && pixelAugmentation(augment, count, (name, shape) => t.input(name, 'float32', shape));
  return networkInput(pixels, model, change);
}
