/** What a kind of weight file calls the tensors of a model, and how it lays them out. */

import type { NormalizationPreset } from '../../shared/config/normalization.js';
import type { ModelConfig } from '../../shared/config/schema.js';

type EncoderName = ModelConfig['encoder'];

/** What network a file's names belong to. */
export interface Architecture {
  /** Ours, if it is one of those. */
  readonly encoder: EncoderName | undefined;
  /** In words, as in `a ResNet of bottleneck blocks 3-4-23-3`. */
  readonly description: string;
}

/** How the networks of this origin were made, which their files do not say. */
export interface Convention {
  /** Of BatchNorm. */
  readonly epsilon: number;
  /** How images become input of the networks that were trained on ImageNet. */
  readonly normalization: NormalizationPreset;
}

export interface Naming {
  /** As messages say it. */
  readonly title: string;
  /** The encoders that such a file can hold. */
  readonly encoders: readonly EncoderName[];
  /** `OIHW`: kernels are [out,in,height,width] and [out,in]. `HWIO`: as ours, [height,width,in,out] and [in,out]. */
  readonly kernels: 'OIHW' | 'HWIO';
  /** The file's name for a tensor of ours; undefined where such files have none. */
  nameOf(ours: string): string | undefined;
  /** Whether a name is one of the encoder's, known to us or not. What is not is a head. */
  isEncoder(name: string): boolean;
  /** Whether a tensor is of no use to us, such as a counter. */
  isIgnored(name: string): boolean;
  /** Undefined when the names are of no network that we know. */
  architecture(names: readonly string[]): Architecture | undefined;
  convention(encoder: EncoderName): Convention | undefined;
}

/** How many blocks each stage has, by names that give both numbers: `layer1.0.` and `conv2_block1_`. */
export function blocksPerStage(names: readonly string[], pattern: RegExp): number[] {
  const blocks = new Map<number, Set<string>>();
  for (const name of names) {
    const [, stage, block] = pattern.exec(name) ?? [];
    if (stage === undefined || block === undefined) continue;
    const of = blocks.get(Number(stage)) ?? new Set();
    blocks.set(Number(stage), of.add(block));
  }
  return [...blocks].sort(([a], [b]) => a - b).map(([, of]) => of.size);
}
