/** The network of airbench94 (K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024), with ReLU for GELU. */
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import { type Encoder, encoderOf } from './encoder.js';
import { batchNormLayer, convolutionLayer, type Layer, tensorsOf } from './layers.js';
import { biased } from './ops/bias.js';
import { convolutionOfImages } from './ops/image-convolution.js';
import { globalMaximum, maxPoolTiles } from './ops/pooling.js';
import { relu } from './ops/relu.js';
import type { ParameterSpec } from './tensor-specs.js';
import { whiteningFilters } from './whitening.js';

/** Channels of the three blocks in airbench94; airbench95 has 128, 384, 384. */
const defaultWidths = [64, 256, 256];

/**
 * Images [B,32,32,3] to features [B,the last of `widths`]. By default 1,971,362 parameters with a linear head, about
 * 0.24 GFLOP an image forward: a tenth of ResNet-50's. The first layer is fixed, so images need the default
 * normalisation.
 *
 * @param widths channels of the three blocks
 */
export function airbench(epsilon: number, widths: readonly number[] = defaultWidths): Encoder {
  const [first, second, third] = widths as [number, number, number];
  const parts = [
    { name: 'stem', ...whitening() },
    { name: 'stage1', ...block('encoder.block1', 2 * whiteningFilters.length, first, epsilon) },
    { name: 'stage2', ...block('encoder.block2', first, second, epsilon) },
    { name: 'stage3', ...block('encoder.block3', second, third, epsilon) },
  ] as const;
  return encoderOf(parts, third, globalMaximum);
}

/** 2x2 patches whitened by fixed filters and their negatives, with a bias that is learnt: [B,H,W,3] to [B,H−1,W−1,24]. */
function whitening(): Layer<Tensor4D, Tensor4D> {
  const filters = whiteningFilters.flatMap((row) => [...row, ...row.map((value) => -value)]);
  const outputs = 2 * whiteningFilters.length;
  const bias: ParameterSpec = {
    name: 'encoder.whitening.bias',
    shape: [outputs],
    group: 'encoder',
    decay: false,
    init: { kind: 'zeros' },
  };
  return {
    parameters: [bias],
    statistics: [],
    apply: (scope, images) => {
      const patches = convolutionOfImages(images, tf.tensor4d(filters, [2, 2, 3, outputs]));
      return relu(biased(patches, scope.parameter(bias.name) as Tensor1D));
    },
  };
}

/** Twice convolution, BatchNorm without gamma, ReLU; the first halves height and width. */
function block(name: string, inputs: number, outputs: number, epsilon: number): Layer<Tensor4D, Tensor4D> {
  const conv1 = convolutionLayer(`${name}.conv1`, inputs, outputs, { size: 3, init: 'identity' });
  const bn1 = batchNormLayer(`${name}.bn1`, outputs, epsilon, 'fixed');
  const conv2 = convolutionLayer(`${name}.conv2`, outputs, outputs, { size: 3, init: 'identity' });
  const bn2 = batchNormLayer(`${name}.bn2`, outputs, epsilon, 'fixed');
  return {
    ...tensorsOf([conv1, bn1, conv2, bn2]),
    apply: (scope, x) => {
      const y = bn1.activate(scope, maxPoolTiles(conv1.apply(scope, x), 2));
      return bn2.activate(scope, conv2.apply(scope, y));
    },
  };
}
