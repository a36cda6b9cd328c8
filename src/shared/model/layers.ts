/** The layers that networks are put together from: each declares its tensors, and finds them in a scope by name. */
import type { Rank, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { tf } from '../engine/tensorflow.js';
import {
  batchNormalization,
  frozenBatchNormalization,
  globalBatchNormalization,
} from './ops/batch-normalization.js';
import { biased } from './ops/bias.js';
import { convolution } from './ops/convolution.js';
import { dense } from './ops/dense.js';
import { type Activation, activated } from './ops/relu.js';
import type { Scope } from './scope.js';
import type { Group, ParameterSpec, StatisticSpec } from './tensor-specs.js';

export interface LayerTensors {
  readonly parameters: readonly ParameterSpec[];
  readonly statistics: readonly StatisticSpec[];
}

export interface Layer<Input, Output> extends LayerTensors {
  apply(scope: Scope, input: Input): Output;
}

/** All tensors of several layers, in their order. */
export function tensorsOf(layers: readonly LayerTensors[]): LayerTensors {
  return {
    parameters: layers.flatMap(({ parameters }) => parameters),
    statistics: layers.flatMap(({ statistics }) => statistics),
  };
}

/** One layer after the other; none at all is the identity. */
export function sequence<T>(layers: readonly Layer<T, T>[]): Layer<T, T> {
  return {
    ...tensorsOf(layers),
    apply: (scope, input) => layers.reduce((x, layer) => layer.apply(scope, x), input),
  };
}

export interface ConvolutionShape {
  /** Of the square kernel. */
  readonly size: number;
  readonly stride?: number;
  /** Default `heNormal`; `identity` begins as one, as far as there are inputs: see initialize.ts. */
  readonly init?: 'heNormal' | 'identity';
  /** Default false, since BatchNorm follows. */
  readonly bias?: boolean;
}

/** A convolution of the encoder with a square kernel HWIO. */
export function convolutionLayer(
  name: string,
  inputs: number,
  outputs: number,
  { size, stride = 1, init = 'heNormal', bias: hasBias = false }: ConvolutionShape,
): Layer<Tensor4D, Tensor4D> {
  const kernel: ParameterSpec = {
    name: `${name}.kernel`,
    shape: [size, size, inputs, outputs],
    group: 'encoder',
    decay: true,
    init: init === 'identity' ? { kind: init } : { kind: init, fan: size * size * outputs },
  };
  const bias: ParameterSpec = {
    name: `${name}.bias`,
    shape: [outputs],
    group: 'encoder',
    decay: false,
    init: { kind: 'zeros' },
  };
  return {
    parameters: hasBias ? [kernel, bias] : [kernel],
    statistics: [],
    apply: (scope, x) => {
      const y = convolution(x, scope.parameter(kernel.name) as Tensor4D, stride, scope.convolution);
      return hasBias ? biased(y, scope.parameter(bias.name) as Tensor1D) : y;
    },
  };
}

export interface BatchNormLayer extends Layer<Tensor4D, Tensor4D> {
  /** ReLU of what is normalised, or of its sum with a shortcut of the same shape. */
  activate(scope: Scope, input: Tensor4D, shortcut?: Tensor4D): Tensor4D;
}

/**
 * BatchNorm of the encoder: in training by the batch's statistics, which the scope observes; else by running ones.
 * @param scale gamma begins as ones or zeros; or is 1 for good, and not learnt
 */
export function batchNormLayer(
  name: string,
  channels: number,
  epsilon: number,
  scale: 'ones' | 'zeros' | 'fixed' = 'ones',
): BatchNormLayer {
  const shape = [channels];
  const group = 'encoder';
  const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map(
    (part) => `${name}.${part}`,
  ) as [string, string, string, string];
  return {
    parameters: [
      ...(scale === 'fixed'
        ? []
        : [{ name: gamma, shape, group, decay: false, init: { kind: scale } } as const]),
      { name: beta, shape, group, decay: false, init: { kind: 'zeros' } },
    ],
    statistics: [
      { name: mean, shape, group, init: 0 },
      { name: variance, shape, group, init: 1 },
    ],
    apply: (scope, x) => normalize(scope, x, { relu: false }),
    activate: (scope, x, shortcut) => normalize(scope, x, { relu: true, shortcut }),
  };

  function normalize(scope: Scope, x: Tensor4D, after: Activation): Tensor4D {
    const factor = scale === 'fixed' ? tf.ones<Rank.R1>([channels]) : (scope.parameter(gamma) as Tensor1D);
    const affine = [factor, scope.parameter(beta) as Tensor1D] as const;
    if (!scope.training) {
      const running = [scope.statistic(mean) as Tensor1D, scope.statistic(variance) as Tensor1D] as const;
      return activated(frozenBatchNormalization(x, ...affine, ...running, epsilon, scope.batchNorm), after);
    }
    const global = scope.global?.(name);
    const normalized =
      global === undefined
        ? batchNormalization(x, ...affine, epsilon, scope.batchNorm, after)
        : globalBatchNormalization(x, ...affine, epsilon, global, scope.batchNorm);
    scope.observe(mean, normalized.mean);
    scope.observe(variance, normalized.variance);
    return global === undefined ? normalized.y : activated(normalized.y, after);
  }
}

/** x · kernel + bias of a head. */
export function denseLayer(
  name: string,
  inputs: number,
  outputs: number,
  group: Group,
): Layer<Tensor2D, Tensor2D> {
  const kernel: ParameterSpec = {
    name: `${name}.kernel`,
    shape: [inputs, outputs],
    group,
    decay: true,
    init: { kind: 'glorotUniform', fanIn: inputs, fanOut: outputs },
  };
  const bias: ParameterSpec = {
    name: `${name}.bias`,
    shape: [outputs],
    group,
    decay: false,
    init: { kind: 'zeros' },
  };
  return {
    parameters: [kernel, bias],
    statistics: [],
    apply: (scope, x) =>
      dense(x, scope.parameter(kernel.name) as Tensor2D, scope.parameter(bias.name) as Tensor1D),
  };
}
