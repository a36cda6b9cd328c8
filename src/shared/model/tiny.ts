/** A small encoder for tests, quick demos and many workers: three convolutions, 14,416 parameters, 32 features. */
import { type Encoder, type EncoderPart, encoderOf } from './encoder.js';
import { encoderParts } from './encoder-parts.js';
import { batchNormLayer, convolutionLayer, tensorsOf } from './layers.js';

const widths = [3, 16, 32, 32] as const;

/** Images [B,H,W,3] to features [B,32]; 3x3 convolutions, the second and third with stride 2. */
export function tiny(epsilon: number): Encoder {
  const parts = encoderParts('tiny').map((name, i) => {
    const inputs = widths[i]!;
    const outputs = widths[i + 1]!;
    const conv = convolutionLayer(`encoder.conv${i + 1}`, inputs, outputs, { size: 3, stride: i ? 2 : 1 });
    const norm = batchNormLayer(`encoder.bn${i + 1}`, outputs, epsilon);
    const apply: EncoderPart['apply'] = (scope, x) => norm.activate(scope, conv.apply(scope, x));
    return { name, ...tensorsOf([conv, norm]), apply };
  });
  return encoderOf(parts, 32);
}
