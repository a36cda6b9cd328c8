/** The one place that loads tfjs with its native addon, so that threads and GPU are bound before it starts. */
import { createRequire } from 'node:module';

type TensorFlow = typeof import('@tensorflow/tfjs-node-gpu');

// tfjs checks at import whether its banner may be printed; workers have logs of their own.
process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';

export const tf: TensorFlow = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu');
