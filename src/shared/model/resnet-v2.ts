/**
 * ResNet-50 with pre-activation (He et al. 2016, "Identity Mappings") as Keras builds its ResNet50V2: BatchNorm and ReLU
 * before the convolutions, the stride in the last block of a stage, and no activation after the sum.
 */
import type { Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { type Encoder, type EncoderPart, encoderOf } from './encoder.js';
import { encoderParts } from './encoder-parts.js';
import { batchNormLayer, convolutionLayer, type Layer, sequence, tensorsOf } from './layers.js';
import { maxPool, zeroPaddedMaxPool } from './ops/pooling.js';
import { add } from './ops/relu.js';
import type { ResNetShape } from './resnet.js';

const stages = [3, 4, 6, 3] as const;

/** Images [B,H,W,3] of any size to features [B,2048]. */
export function resnet50v2({ stem, epsilon }: Pick<ResNetShape, 'stem' | 'epsilon'>): Encoder {
  const parts: EncoderPart[] = [{ name: 'stem', ...stemOf(stem) }];
  let width = 64;
  for (const [stage, count] of stages.entries()) {
    const inner = 64 * 2 ** stage;
    const layers: Layer<Tensor4D, Tensor4D>[] = [];
    for (let i = 0; i < count; i++) {
      const stride = i === count - 1 && stage < stages.length - 1 ? 2 : 1;
      layers.push(block({ name: `encoder.layer${stage + 1}.${i}`, inputs: width, inner, stride, epsilon }));
      width = 4 * inner;
    }
    if (stage === stages.length - 1) layers.push(activation('encoder.post', width, epsilon));
    parts.push({ name: encoderParts('resnet50v2')[stage + 1]!, ...sequence(layers) });
  }
  return encoderOf(parts, width);
}

/** Neither BatchNorm nor ReLU: the first block begins with them. So the pool's zeros meet negative values. */
function stemOf(stem: ResNetShape['stem']): Layer<Tensor4D, Tensor4D> {
  const window = stem === 'cifar' ? { size: 3 } : { size: 7, stride: 2 };
  const conv = convolutionLayer('encoder.conv1', 3, 64, { ...window, bias: true });
  if (stem === 'cifar') return conv;
  return {
    ...tensorsOf([conv]),
    apply: (scope, images) => zeroPaddedMaxPool(conv.apply(scope, images), 3, 2),
  };
}

interface BlockShape {
  readonly name: string;
  readonly inputs: number;
  /** Channels of the 3x3 convolution; the block's output has four times as many. */
  readonly inner: number;
  readonly stride: number;
  readonly epsilon: number;
}

function block({ name, inputs, inner, stride, epsilon }: BlockShape): Layer<Tensor4D, Tensor4D> {
  const outputs = 4 * inner;
  const before = activation(`${name}.preact`, inputs, epsilon);
  const branch = sequence([
    convolutionLayer(`${name}.conv1`, inputs, inner, { size: 1 }),
    activation(`${name}.bn1`, inner, epsilon),
    convolutionLayer(`${name}.conv2`, inner, inner, { size: 3, stride }),
    activation(`${name}.bn2`, inner, epsilon),
    convolutionLayer(`${name}.conv3`, inner, outputs, { size: 1, bias: true }),
  ]);
  // Only a stage's first block widens, and there the shortcut begins after the activation.
  const widening =
    inputs === outputs
      ? undefined
      : convolutionLayer(`${name}.downsample.0`, inputs, outputs, { size: 1, stride, bias: true });
  return {
    ...tensorsOf([before, ...(widening ? [widening] : []), branch]),
    apply: (scope, x) => {
      const active = before.apply(scope, x);
      const shortcut = widening?.apply(scope, active) ?? (stride === 1 ? x : maxPool(x, 1, stride));
      return add(shortcut, branch.apply(scope, active));
    },
  };
}

/** BatchNorm, then ReLU. */
function activation(name: string, channels: number, epsilon: number): Layer<Tensor4D, Tensor4D> {
  const norm = batchNormLayer(name, channels, epsilon);
  return { ...tensorsOf([norm]), apply: (scope, x) => norm.activate(scope, x) };
}
