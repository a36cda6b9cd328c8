/** A small encoder for tests, quick demos and many workers: three convolutions, 14,416 parameters, 32 features. */
import { batchNormLayer, convolutionLayer, sequence, tensorsOf } from './layers.js';
import { globalAverage } from './ops/pooling.js';
import { relu } from './ops/relu.js';
import type { Encoder } from './resnet.js';

const widths = [3, 16, 32, 32] as const;

/** Images [B,H,W,3] to features [B,32]; 3x3 convolutions, the second and third with stride 2. */
export function tiny(epsilon: number): Encoder {
  const layers = widths.slice(1).map((outputs, i) => {
    const conv = convolutionLayer(`encoder.conv${i + 1}`, widths[i]!, outputs, {
      size: 3,
      stride: i ? 2 : 1,
    });
    const norm = batchNormLayer(`encoder.bn${i + 1}`, outputs, epsilon);
    const { apply, ...tensors } = sequence([conv, norm]);
    return { ...tensors, apply: (...[scope, x]: Parameters<typeof apply>) => relu(apply(scope, x)) };
  });
  const body = sequence(layers);
  return {
    ...tensorsOf([body]),
    width: 32,
    apply: (scope, images) => globalAverage(body.apply(scope, images)),
  };
}
