/** What a model sees of the replica while it is traced: parameters, statistics, and whether it is being trained. */
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-node-gpu';
import { cpuFlags } from '../../shared/engine/cpu-flags.js';
import { tf } from '../../shared/engine/tensorflow.js';
import type { Trace } from '../../shared/engine/trace.js';
import { LockstepError } from '../../shared/errors.js';
import type { Scope } from '../../shared/model/scope.js';
import type { ParameterSpec } from '../../shared/model/tensor-specs.js';
import type { Replica } from '../replica.js';
import type { StageShape } from '../stage-shape.js';
import type { Host } from './host.js';

export class ReplicaScope implements Scope {
  readonly training: boolean = true;
  readonly global: Scope['global'];
  readonly dropoutSeed?: Tensor;
  readonly convolution: Scope['convolution'];
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
    ({ convolution: this.convolution, batchNorm: this.batchNorm } = waysOf(replica));
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

/** How things are computed on this device: on a GPU by cuDNN, in what has an order; on a CPU by what is fast there. */
function waysOf({ session: { config } }: Replica): Pick<Scope, 'convolution' | 'batchNorm'> {
  if (config.device === 'gpu') return { batchNorm: { frozenGradient: 'sums' } };
  const flags = cpuFlags() ?? [];
  if (config.precision !== 'float32') {
    // Winograd's algorithm needs float32, and so do passes, which mixed precision would take for its own. Without AMX
    // products gain up to 64 pixels only: see docs/design.md.
    const pointwisePixels = flags.includes('amx_bf16') ? undefined : 64;
    return { convolution: { smallImages: 'kernelGradient', pointwisePixels }, batchNorm: { fused: true } };
  }
  const isAvx2 = flags.includes('avx2') && !flags.includes('avx512f');
  return isAvx2
    ? { convolution: { smallImages: 'winograd', turned: true }, batchNorm: { fused: true, passesFrom: 256 } }
    : { convolution: { smallImages: 'winograd' }, batchNorm: { fused: true } };
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
    ...waysOf(replica),
    parameter: (name) => t.read(replica.parameter(name)),
    statistic: (name) => t.read(replica.statistic(name)),
    observe: () => {},
  };
}
