/** Our own names and layouts: checkpoints, and exports with everything. */
import type { Architecture, Naming } from './naming.js';
import { blocksPerStage } from './naming.js';

export const lockstep: Naming = {
  title: 'Lockstep',
  encoders: ['resnet50', 'resnet18', 'resnet50-keras', 'resnet50v2', 'airbench', 'tiny'],
  kernels: 'HWIO',
  nameOf: (ours) => ours,
  isEncoder: (name) => name.startsWith('encoder.'),
  isIgnored: () => false,
  architecture,
  convention: () => undefined,
};

function architecture(names: readonly string[]): Architecture | undefined {
  if (names.includes('encoder.whitening.bias')) {
    return { encoder: 'airbench', description: 'the encoder airbench' };
  }
  if (!names.includes('encoder.conv1.kernel')) return undefined;
  const stages = blocksPerStage(names, /^encoder\.layer(\d+)\.(\d+)\./).join('-');
  const has = (name: string) => names.includes(`encoder.${name}`);
  const encoder =
    stages === ''
      ? 'tiny'
      : stages === '2-2-2-2'
        ? 'resnet18'
        : has('layer1.0.preact.gamma')
          ? 'resnet50v2'
          : has('conv1.bias')
            ? 'resnet50-keras'
            : 'resnet50';
  return { encoder, description: `the encoder ${encoder}` };
}
