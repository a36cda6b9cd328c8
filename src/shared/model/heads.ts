/** What stands on the encoder: the projection head of contrastive stages, and the classifier head. */
import type { Tensor2D } from '@tensorflow/tfjs-node-gpu';
import type { ModelConfig } from '../config/schema.js';
import { tf } from '../engine/tensorflow.js';
import { LockstepError } from '../errors.js';
import { denseLayer, type Layer, tensorsOf } from './layers.js';
import { dropout } from './ops/dropout.js';
import { relu } from './ops/relu.js';

/** Dense layers of the given widths with ReLU between them, and after the last one if the config says so. */
export function projectionHead(
  inputs: number,
  { widths, activation }: NonNullable<ModelConfig['projection']>,
): Layer<Tensor2D, Tensor2D> {
  const layers = denseLayers('projection', [inputs, ...widths]);
  return {
    ...tensorsOf(layers),
    apply: (scope, features) =>
      layers.reduce((x, layer, i) => {
        const y = layer.apply(scope, x);
        return i < layers.length - 1 || activation === 'relu' ? relu(y) : y;
      }, features),
  };
}

/** Dropout before every dense layer, ReLU after the hidden ones; the logits times `logitScale`. */
export function classifierHead(
  inputs: number,
  classes: number,
  { hidden, dropout: rate, logitScale }: NonNullable<ModelConfig['classifier']>,
): Layer<Tensor2D, Tensor2D> {
  const layers = denseLayers('classifier', [inputs, ...hidden, classes]);
  return {
    ...tensorsOf(layers),
    apply: (scope, features) =>
      layers.reduce((x, layer, i) => {
        let input = x;
        if (scope.training && rate > 0) {
          if (scope.dropoutSeed === undefined) {
            throw new LockstepError('TRACE', 'The classifier drops out, but the scope has no dropout seed.');
          }
          input = dropout(x, rate, scope.dropoutSeed, i);
        }
        const y = layer.apply(scope, input);
        if (i < layers.length - 1) return relu(y);
        return logitScale === 1 ? y : tf.mul(y, logitScale);
      }, features),
  };
}

function denseLayers(group: 'projection' | 'classifier', widths: readonly number[]) {
  return widths.slice(1).map((outputs, i) => denseLayer(`${group}.${i}`, widths[i]!, outputs, group));
}
