/** A config for a network of PyTorch's or Keras's, as the scripts in bench/ build it. */
import { parseConfig } from '../src/shared/config/parse.js';
import type { Config } from '../src/shared/config/schema.js';

const peers: Readonly<Record<string, { encoder: string; epsilon: number; normalization: string }>> = {
  resnet18: { encoder: 'resnet18', epsilon: 1e-5, normalization: 'imagenet' },
  resnet50: { encoder: 'resnet50', epsilon: 1e-5, normalization: 'imagenet' },
  ResNet50: { encoder: 'resnet50-keras', epsilon: 1.001e-5, normalization: 'caffe' },
  ResNet50V2: { encoder: 'resnet50v2', epsilon: 1.001e-5, normalization: 'tf' },
};

export interface Peer {
  readonly network: string;
  readonly stem: 'cifar' | 'imagenet';
  /** Of the images that it gets. */
  readonly size: number;
}

/** Its head is linear, with 10 classes. */
export function configOfPeer({ network, stem, size }: Peer): Config {
  const { encoder, epsilon, normalization } = peers[network]!;
  const [optimizer, learningRate] = [{ kind: 'adam' }, { decay: 'constant', peak: 1 }];
  const model = { encoder, stem, classifier: {}, batchNorm: { epsilon }, normalization };
  return parseConfig(
    {
      name: 'peer',
      data: { dataset: 'sample' },
      model: size === 32 ? model : { ...model, inputSize: size },
      batch: { microBatches: 1, microBatchSize: 8 },
      stages: [{ name: 'a', objective: 'softmax', epochs: 1, optimizer, learningRate }],
    },
    'test',
  );
}
