/**
 * ResNet encoders (He et al. 2016), as torchvision builds them (v1.5: the stride is in the 3x3 convolution), and as
 * Keras builds its ResNet50 (v1: the stride is in the first 1x1 convolution, and convolutions have biases).
 */
import type { Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { type Encoder, type EncoderPart, encoderOf } from './encoder.js';
import { encoderParts } from './encoder-parts.js';
import { batchNormLayer, convolutionLayer, type Layer, sequence, tensorsOf } from './layers.js';
import { maxPool } from './ops/pooling.js';

export interface ResNetShape {
  readonly block: 'basic' | 'bottleneck';
  /** Blocks in each of the four stages. */
  readonly stages: readonly [number, number, number, number];
  /** `cifar`: 3x3, stride 1. `imagenet`: 7x7, stride 2, then 3x3 max-pooling, stride 2. */
  readonly stem: 'cifar' | 'imagenet';
  /** Of BatchNorm. */
  readonly epsilon: number;
  /** Whether every block begins as its shortcut: gamma of its last BatchNorm is 0 (Goyal et al. 2017, section 5.1). */
  readonly zeroInit: boolean;
  /** Whose network it is; Keras's has bottleneck blocks only. */
  readonly source: 'torchvision' | 'keras';
}

/** Images [B,H,W,3] of any size to the last stage's 512 (basic) or 2048 (bottleneck) channels, averaged. */
export function resnet(shape: ResNetShape): Encoder {
  const build = shape.block === 'basic' ? basicBlock : bottleneckBlock;
  const expansion = shape.block === 'basic' ? 1 : 4;
  const { epsilon, zeroInit, source } = shape;
  const parts: EncoderPart[] = [{ name: 'stem', ...stemOf(shape) }];
  let width = 64;
  for (const [stage, count] of shape.stages.entries()) {
    const inner = 64 * 2 ** stage;
    const blocks: Layer<Tensor4D, Tensor4D>[] = [];
    for (let i = 0; i < count; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1;
      const name = `encoder.layer${stage + 1}.${i}`;
      blocks.push(
        build({ name, inputs: width, inner, outputs: inner * expansion, stride, epsilon, zeroInit, source }),
      );
      width = inner * expansion;
    }
    parts.push({ name: encoderParts('resnet50')[stage + 1]!, ...sequence(blocks) });
  }
  return encoderOf(parts, width);
}

function stemOf({ stem, epsilon, source }: ResNetShape): Layer<Tensor4D, Tensor4D> {
  const window = stem === 'cifar' ? { size: 3 } : { size: 7, stride: 2 };
  const conv = convolutionLayer('encoder.conv1', 3, 64, { ...window, bias: source === 'keras' });
  const norm = batchNormLayer('encoder.bn1', 64, epsilon);
  return {
    ...tensorsOf([conv, norm]),
    apply: (scope, images) => {
      const y = norm.activate(scope, conv.apply(scope, images));
      return stem === 'cifar' ? y : maxPool(y, 3, 2);
    },
  };
}

interface BlockShape {
  readonly name: string;
  readonly inputs: number;
  /** Channels of the 3x3 convolution. */
  readonly inner: number;
  readonly outputs: number;
  readonly stride: number;
  readonly epsilon: number;
  readonly zeroInit: boolean;
  readonly source: ResNetShape['source'];
}

function basicBlock(shape: BlockShape): Layer<Tensor4D, Tensor4D> {
  const { name, inputs, outputs, stride, epsilon, zeroInit } = shape;
  const conv1 = convolutionLayer(`${name}.conv1`, inputs, outputs, { size: 3, stride });
  const bn1 = batchNormLayer(`${name}.bn1`, outputs, epsilon);
  const conv2 = convolutionLayer(`${name}.conv2`, outputs, outputs, { size: 3 });
  const bn2 = batchNormLayer(`${name}.bn2`, outputs, epsilon, zeroInit ? 'zeros' : 'ones');
  const shortcut = shortcutOf(shape);
  return {
    ...tensorsOf([conv1, bn1, conv2, bn2, shortcut]),
    apply: (scope, x) => {
      const y = bn1.activate(scope, conv1.apply(scope, x));
      return bn2.activate(scope, conv2.apply(scope, y), shortcut.apply(scope, x));
    },
  };
}

function bottleneckBlock(shape: BlockShape): Layer<Tensor4D, Tensor4D> {
  const { name, inputs, inner, outputs, epsilon, zeroInit } = shape;
  const bias = shape.source === 'keras';
  const [first, second] = bias ? [shape.stride, 1] : [1, shape.stride];
  const conv1 = convolutionLayer(`${name}.conv1`, inputs, inner, { size: 1, stride: first, bias });
  const bn1 = batchNormLayer(`${name}.bn1`, inner, epsilon);
  const conv2 = convolutionLayer(`${name}.conv2`, inner, inner, { size: 3, stride: second, bias });
  const bn2 = batchNormLayer(`${name}.bn2`, inner, epsilon);
  const conv3 = convolutionLayer(`${name}.conv3`, inner, outputs, { size: 1, bias });
  const bn3 = batchNormLayer(`${name}.bn3`, outputs, epsilon, zeroInit ? 'zeros' : 'ones');
  const shortcut = shortcutOf(shape);
  return {
    ...tensorsOf([conv1, bn1, conv2, bn2, conv3, bn3, shortcut]),
    apply: (scope, x) => {
      let y = bn1.activate(scope, conv1.apply(scope, x));
      y = bn2.activate(scope, conv2.apply(scope, y));
      return bn3.activate(scope, conv3.apply(scope, y), shortcut.apply(scope, x));
    },
  };
}

/** The identity where shapes agree, else a strided 1x1 convolution with BatchNorm. */
function shortcutOf({
  name,
  inputs,
  outputs,
  stride,
  epsilon,
  source,
}: BlockShape): Layer<Tensor4D, Tensor4D> {
  if (inputs === outputs && stride === 1) return sequence([]);
  return sequence([
    convolutionLayer(`${name}.downsample.0`, inputs, outputs, { size: 1, stride, bias: source === 'keras' }),
    batchNormLayer(`${name}.downsample.1`, outputs, epsilon),
  ]);
}
