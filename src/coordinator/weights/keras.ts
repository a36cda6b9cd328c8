/** The names of Keras's ResNet50 and ResNet50V2: `conv2_block1_1_conv/kernel`, a layer and a variable. */
import type { Architecture, Naming } from './naming.js';
import { blocksPerStage } from './naming.js';

const variables: Readonly<Record<string, string>> = {
  kernel: 'kernel',
  bias: 'bias',
  gamma: 'gamma',
  beta: 'beta',
  mean: 'moving_mean',
  variance: 'moving_variance',
};

/** What follows `convS_blockB_`; a file's layers stand in this order in a block. */
const inBlock: readonly (readonly [ours: string, keras: string])[] = [
  ['preact', 'preact_bn'],
  ['conv1', '1_conv'],
  ['bn1', '1_bn'],
  ['conv2', '2_conv'],
  ['bn2', '2_bn'],
  ['downsample.0', '0_conv'],
  ['conv3', '3_conv'],
  ['downsample.1', '0_bn'],
  ['bn3', '3_bn'],
];

const around: Readonly<Record<string, string>> = {
  'encoder.conv1': 'conv1_conv',
  'encoder.bn1': 'conv1_bn',
  'encoder.post': 'post_bn',
  'classifier.0': 'predictions',
};

export const keras: Naming = {
  title: 'Keras',
  encoders: ['resnet50-keras', 'resnet50v2'],
  kernels: 'HWIO',
  nameOf: (ours) => {
    const [, layer, part] = /^(.+)\.(\w+)$/.exec(ours) ?? [];
    const keras = layer === undefined ? undefined : layerOf(layer);
    return keras === undefined || part === undefined ? undefined : `${keras}/${variables[part]}`;
  },
  isEncoder: (name) => /^(conv\d+_|post_bn\/)/.test(name),
  isIgnored: () => false,
  architecture,
  convention: (encoder) => ({ epsilon: 1.001e-5, normalization: encoder === 'resnet50v2' ? 'tf' : 'caffe' }),
};

function layerOf(ours: string): string | undefined {
  const [, stage, block, inner] = /^encoder\.layer(\d+)\.(\d+)\.(.+)$/.exec(ours) ?? [];
  if (stage === undefined || block === undefined) return around[ours];
  const found = inBlock.find(([name]) => name === inner);
  return found && `conv${Number(stage) + 1}_block${Number(block) + 1}_${found[1]}`;
}

/** Compares layers by the order in which the model has them: files of weights alone are read in it. */
export function byPlace(a: string, b: string): number {
  const [placeA, placeB] = [placeOf(a), placeOf(b)];
  const differs = placeA.findIndex((value, i) => value !== placeB[i]);
  return differs < 0 ? 0 : placeA[differs]! < placeB[differs]! ? -1 : 1;
}

function placeOf(layer: string): readonly [stage: number, block: number, inBlock: number] {
  const [, stage, block, rest] = /^conv(\d+)_block(\d+)_(.+)$/.exec(layer) ?? [];
  if (rest !== undefined) {
    return [Number(stage), Number(block), inBlock.findIndex(([, name]) => name === rest)];
  }
  if (layer.startsWith('conv1_')) return [1, 0, layer === 'conv1_conv' ? 0 : 1];
  // Then BatchNorm and the head.
  return [Number.POSITIVE_INFINITY, layer === 'post_bn' ? 0 : 1, 0];
}

function architecture(names: readonly string[]): Architecture | undefined {
  const blocks = blocksPerStage(names, /^conv(\d+)_block(\d+)_/).join('-');
  if (blocks === '') return undefined;
  const v2 = names.some((name) => name.includes('_preact_bn/'));
  const known = blocks === '3-4-6-3';
  return {
    encoder: known ? (v2 ? 'resnet50v2' : 'resnet50-keras') : undefined,
    description: known ? `Keras's ResNet50${v2 ? 'V2' : ''}` : `a Keras ResNet of blocks ${blocks}`,
  };
}
