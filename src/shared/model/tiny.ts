/** A small encoder for tests, quick demos and many workers: three convolutions, 14,416 parameters, 32 features. */
import { type Encoder, encoderOf } from './encoder.js';
import { encoderParts } from './encoder-parts.js';
import { batchNormLayer, convolutionLayer, sequence } from './layers.js';
import { relu } from './ops/relu.js';

const widths = [3, 16, 32, 32] as const;

/** Images [B,H,W,3] to features [B,32]; 3x3 convolutions, the second and third with stride 2. */
export function tiny(epsilon: number): Encoder {
  const parts = encoderParts('tiny').map((name, i) => {
    const inputs = widths[i]!;
    const outputs = widths[i + 1]!;
    const conv = convolutionLayer(`encoder.conv${i + 1}`, inputs, outputs, { size: 3, stride: i ? 2 : 1 });
    const norm = batchNormLayer(`encoder.bn${i + 1}`, outputs, epsilon);
    const { apply, ...tensors } = sequence([conv, norm]);
    return { name, ...tensors, apply: (...[scope, x]: Parameters<typeof apply>) => relu(apply(scope, x)) };
  });
  return encoderOf(parts, 32);
}
