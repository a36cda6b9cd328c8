/** The names and layouts of torchvision's ResNets, which are timm's too. */
import type { Architecture, Naming } from './naming.js';
import { blocksPerStage } from './naming.js';

const parts: Readonly<Record<string, string>> = {
  kernel: 'weight',
  bias: 'bias',
  gamma: 'weight',
  beta: 'bias',
  mean: 'running_mean',
  variance: 'running_var',
};

export const torchvision: Naming = {
  title: 'torchvision',
  // `tiny` is nobody's, but it has layers of the same kinds.
  encoders: ['resnet50', 'resnet18', 'tiny'],
  kernels: 'OIHW',
  nameOf: (ours) => {
    const [, group, layer, part] = /^(encoder|classifier)\.(.+)\.(\w+)$/.exec(ours) ?? [];
    if (group === undefined || layer === undefined || part === undefined) return undefined;
    if (group === 'encoder') return `${layer}.${parts[part]}`;
    return layer === '0' ? `fc.${parts[part]}` : undefined;
  },
  isEncoder: (name) => /^(conv|bn|layer)\d+\./.test(name),
  isIgnored: (name) => name.endsWith('.num_batches_tracked'),
  architecture,
  convention: () => ({ epsilon: 1e-5, normalization: 'imagenet' }),
};

function architecture(names: readonly string[]): Architecture | undefined {
  if (!names.includes('conv1.weight')) return undefined;
  const stages = blocksPerStage(names, /^layer(\d+)\.(\d+)\./).join('-');
  const bottleneck = names.includes('layer1.0.conv3.weight');
  if (stages === '') return { encoder: 'tiny', description: 'convolutions without residual blocks' };
  const encoders: Readonly<Record<string, 'resnet50' | 'resnet18'>> = {
    'bottleneck 3-4-6-3': 'resnet50',
    'basic 2-2-2-2': 'resnet18',
  };
  const kind = bottleneck ? 'bottleneck' : 'basic';
  return { encoder: encoders[`${kind} ${stages}`], description: `a ResNet of ${kind} blocks ${stages}` };
}
