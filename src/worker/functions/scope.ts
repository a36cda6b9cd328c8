/** What a model sees of the replica while it is traced: parameters, statistics, and whether it is being trained. */
import type { Tensor, Tensor1D, Tensor4D } from '@tensorflow/tfjs-node-gpu';
import { pixelAugmentation } from '../../shared/augment/pixels.js';
import type { AugmentConfig } from '../../shared/config/augment.js';
import { cpuFlags } from '../../shared/engine/cpu-flags.js';
import { tf } from '../../shared/engine/tensorflow.js';
import type { Trace } from '../../shared/engine/trace.js';
import { LockstepError } from '../../shared/errors.js';
import { type InputConfig, networkInput } from '../../shared/model/input.js';
import { imageShape, type ParameterSpec, type Scope } from '../../shared/model/model.js';
import type { Replica } from '../replica.js';
import type { StageShape } from '../stage-shape.js';
import type { Host } from './forward-backward.js';

export class ReplicaScope implements Scope {
  readonly training: boolean = true;
  readonly global: Scope['global'];
  readonly dropoutSeed?: Tensor;
  readonly smallImages: Scope['smallImages'];
  readonly batchNorm: Scope['batchNorm'];
  readonly #bound = new Map<string, Tensor>();
  readonly #observed = new Map<string, Tensor>();

  /** @param host needed where BatchNorm's statistics are those of the global batch */
  constructor(
    private readonly t: Trace,
    private readonly replica: Replica,
    stage: StageShape,
    host?: Host,
  ) {
    this.global = stage.synchronized && host ? globalBatch(host, stage.microBatches) : undefined;
    this.smallImages = smallImageWay(replica);
    this.batchNorm = batchNormWays(replica);
    if (stage.dropsOut) this.dropoutSeed = t.input('dropoutSeed', 'int32', [2]);
  }

  /** Parameters that a gradient is taken for come from its tape instead of the variables. */
  bind(specs: readonly ParameterSpec[], values: readonly Tensor[]): void {
    for (const [i, { name }] of specs.entries()) this.#bound.set(name, values[i]!);
  }

  parameter(name: string): Tensor {
    return this.#bound.get(name) ?? this.t.read(this.replica.trained(name));
  }

  statistic(name: string): Tensor {
    return this.t.read(this.replica.trained(name));
  }

  /** Keeps a value that is no gradient beyond the gradient's tidy. */
  observe(name: string, value: Tensor): void {
    this.#observed.set(name, tf.keep(value));
  }

  observed(name: string): Tensor {
    const tensor = this.#observed.get(name);
    if (tensor === undefined) throw new LockstepError('TRACE', `The model computed no '${name}'.`);
    return tensor;
  }

  /** Disposes of what was observed, when it has been sent. */
  release(): void {
    for (const tensor of this.#observed.values()) tensor.dispose();
  }
}

/** On a CPU oneDNN's convolutions of small images are slow; Winograd's algorithm needs float32. cuDNN chooses by itself. */
function smallImageWay({ session: { config } }: Replica): Scope['smallImages'] {
  if (config.device !== 'cpu') return undefined;
  return config.precision === 'float32' ? 'winograd' : 'kernelGradient';
}

/** On a GPU what has an order, on a CPU what is fast. */
function batchNormWays({ session: { config } }: Replica): Scope['batchNorm'] {
  if (config.device === 'gpu') return { frozenGradient: 'sums' };
  const flags = cpuFlags() ?? [];
  return flags.includes('avx2') && !flags.includes('avx512f') ? { forward: 'passes' } : undefined;
}

/** BatchNorm's view of the global batch, through the host. */
function globalBatch(host: Host, microBatches: number): NonNullable<Scope['global']> {
  return (layer) => ({
    microBatches,
    moments: (local) => host.exchange('moments', `${layer} moments`, local) as Tensor1D,
    sums: (local) => host.exchange('sums', `${layer} sums`, local) as Tensor1D,
  });
}

/** The replica in inference mode: BatchNorm by running statistics, no dropout, nothing observed. */
export function inferenceScope(t: Trace, replica: Replica): Scope {
  return {
    training: false,
    smallImages: smallImageWay(replica),
    batchNorm: batchNormWays(replica),
    parameter: (name) => t.read(replica.parameter(name)),
    statistic: (name) => t.read(replica.statistic(name)),
    observe: () => {},
  };
}

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
