/** What a config file may say: every key, with its type, default, unit and meaning. docs/config.md is made from it. */
import { z } from 'zod';
import { type AugmentConfig, augmentSchema } from './augment.js';
import type { Frozen } from './frozen.js';
import { initialWeightsSchema } from './initial-weights.js';
import { normalizationSchema } from './normalization.js';

/** Names end up in paths and file names. */
export const label = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
    'letters, digits, dot, dash and underscore, beginning with a letter or digit',
  )
  .max(100);
const count = z.int().min(1);
const positive = z.number().positive();
const notNegative = z.number().min(0);
const fraction = z.number().min(0).lt(1);
const seconds = positive.max(86_400);

const data = z.strictObject({
  dataset: z
    .string()
    .min(1)
    .describe(
      '`sample`: the CIFAR-10 subset in the repository; `cifar10`: all of it, after `lockstep data import`; or a folder that `lockstep data import SOURCE --to DIR` made.',
    ),
  augment: augmentSchema
    .prefault({})
    .describe('How training images are changed, keyed by seed, epoch and image.'),
  limit: z
    .strictObject({
      train: count.optional().meta({ unit: 'images' }).describe('Train on the first so many images only.'),
      test: count.optional().meta({ unit: 'images' }).describe('Evaluate on the first so many images only.'),
    })
    .prefault({})
    .describe('Use a part of the data; more than there is is an error.'),
});

const model = z.strictObject({
  encoder: z
    .enum(['resnet50', 'resnet18', 'resnet50-keras', 'resnet50v2', 'airbench', 'tiny'])
    .describe(
      "The network below the heads. `resnet50` and `resnet18` are torchvision's; `resnet50-keras` and `resnet50v2` are Keras's ResNet50 (biases, stride in the first 1x1 convolution) and ResNet50V2 (pre-activation). `airbench` is a small, fast one for CIFAR-10 after Jordan 2024; `tiny` is for tests and quick demos.",
    ),
  stem: z
    .enum(['cifar', 'imagenet'])
    .default('cifar')
    .describe(
      '`cifar`: 3x3 convolution, stride 1, no pooling. `imagenet`: 7x7, stride 2, and max-pooling: about 16 times less compute on 32x32 images.',
    ),
  widths: z
    .array(count)
    .length(3)
    .optional()
    .meta({ unit: 'channels' })
    .describe(
      'Of the three blocks of `airbench`: 64, 256, 256 without it, as in airbench94; airbench95 has 128, 384, 384.',
    ),
  projection: z
    .strictObject({
      widths: z
        .array(count)
        .min(1)
        .meta({ unit: 'features' })
        .describe(
          'Width of each dense layer; the last is the width of the embedding. Hidden layers end in a ReLU.',
        ),
      activation: z
        .enum(['none', 'relu'])
        .default('none')
        .describe('What follows the last layer, before the embedding is normalised to length 1.'),
    })
    .optional()
    .describe('The projection head, for contrastive stages; leave it out when there is none.'),
  classifier: z
    .strictObject({
      hidden: z
        .array(count)
        .default([])
        .meta({ unit: 'features' })
        .describe('Widths of hidden dense layers, each with a ReLU; empty for a linear classifier.'),
      dropout: fraction.default(0).meta({ unit: 'probability' }).describe('Dropout before each dense layer.'),
      logitScale: positive
        .default(1)
        .describe('What the logits are multiplied by: below 1, the last layer learns more slowly.'),
    })
    .optional()
    .describe('The classifier head, for softmax stages; `{}` is a linear one.'),
  batchNorm: z
    .strictObject({
      momentum: fraction.default(0.9).describe('How much of the running statistics a step keeps.'),
      epsilon: positive
        .default(1.001e-5)
        .describe('Added to the variance (the default is that of Keras ResNets).'),
      zeroInit: z
        .boolean()
        .default(false)
        .describe(
          'Whether the last gamma of every residual block begins at 0, so that the block begins as its shortcut (Goyal et al. 2017).',
        ),
      statistics: z
        .enum(['microBatch', 'globalBatch'])
        .default('microBatch')
        .describe(
          'What mean and variance are taken over in training. `microBatch`: each micro-batch by itself (ghost BatchNorm). `globalBatch`: all of a step together (synchronised BatchNorm), so that K micro-batches are one big batch. Neither depends on the number of workers.',
        ),
    })
    .prefault({})
    .describe('BatchNorm everywhere in the encoder.'),
  normalization: normalizationSchema
    .prefault('cifar10')
    .describe(
      "How pixels become network input: a preset (`imagenet` for weights of torchvision and timm, `caffe` and `tf` for those of Keras's ResNet50 and ResNet50V2), or mean and standard deviation.",
    ),
  inputSize: z
    .int()
    .min(32)
    .max(1024)
    .optional()
    .meta({ unit: 'pixels' })
    .describe(
      'Height and width that images are enlarged to, after augmentation; bilinear, as `interpolate(align_corners=False)` in PyTorch. Without it they stay as they are.',
    ),
  init: initialWeightsSchema
    .optional()
    .describe("A file that the encoder's first weights come from (docs/transfer.md), or a section."),
});

const batch = z.strictObject({
  microBatches: count
    .max(4096)
    .meta({ unit: 'micro-batches' })
    .describe('K, micro-batches in a global batch: also the largest number of workers.'),
  microBatchSize: count
    .max(65_536)
    .meta({ unit: 'images' })
    .describe('m, images in a micro-batch. The global batch is K·m.'),
});

const weightDecay = notNegative
  .default(0)
  .describe(
    'Times the weight, added to its gradient after the sum over workers and clipping; never on BatchNorm and biases.',
  );

const moments = {
  beta1: fraction.default(0.9).describe('Decay of the first moment.'),
  beta2: fraction.default(0.999).describe('Decay of the second moment.'),
};

const optimizer = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('sgd').describe('Stochastic gradient descent.'),
    momentum: fraction.default(0.9).describe('Momentum.'),
    nesterov: z.boolean().default(true).describe("Nesterov's form of momentum."),
    weightDecay,
  }),
  z.strictObject({
    kind: z
      .literal('lars')
      .describe(
        'LARS (You et al.): momentum, and a learning rate for each weight that follows the ratio of its norm to that of its gradient.',
      ),
    momentum: fraction.default(0.9).describe('Momentum.'),
    nesterov: z.boolean().default(false).describe("Nesterov's form of momentum."),
    trustCoefficient: positive
      .default(1e-3)
      .describe('What the ratio of the norms is multiplied by (the default is that of SimCLR).'),
    epsilon: positive
      .default(1e-8)
      .describe("Added to the gradient's norm before the weight's is divided by it."),
    weightDecay,
  }),
  z.strictObject({
    kind: z.literal('adam').describe('Adam (Kingma and Ba).'),
    ...moments,
    epsilon: positive
      .default(1e-7)
      .describe('Added to the root of the second moment (the default is that of Keras).'),
    weightDecay,
  }),
  z.strictObject({
    kind: z
      .literal('adamw')
      .describe('Adam with decoupled weight decay (Loshchilov and Hutter), as in PyTorch.'),
    ...moments,
    epsilon: positive
      .default(1e-8)
      .describe('Added to the corrected root of the second moment (the default is that of PyTorch).'),
    weightDecay: notNegative
      .default(0.01)
      .describe(
        'The learning rate times this is the share of a weight that a step takes off it; never off BatchNorm and biases.',
      ),
  }),
]);

const warmUp = {
  peak: positive.describe('The learning rate after warm-up.'),
  warmupEpochs: notNegative
    .default(0)
    .meta({ unit: 'epochs' })
    .describe('Length of the warm-up, which is linear but for `oneCycle`; may be a fraction of an epoch.'),
  warmupStart: notNegative.default(0).describe('The learning rate at the first step of the warm-up.'),
  scaling: z
    .strictObject({
      rule: z
        .enum(['linear', 'squareRoot'])
        .describe(
          '`linear`: in proportion to the global batch (Goyal et al.). `squareRoot`: to its square root.',
        ),
      baseBatch: count
        .meta({ unit: 'images' })
        .describe('The global batch that `peak`, `final` and `warmupStart` are given for.'),
    })
    .optional()
    .describe(
      'Scale `peak`, `final` and `warmupStart` by the global batch. Without it they are what they say.',
    ),
};

const final = notNegative.default(0).describe('The learning rate that the decay ends at.');

const learningRate = z.discriminatedUnion('decay', [
  z.strictObject({ decay: z.literal('constant').describe('Stays at `peak`.'), ...warmUp }),
  z.strictObject({
    decay: z
      .literal('cosine')
      .describe('Half a cosine from `peak` at the end of the warm-up to `final` at the end of the stage.'),
    ...warmUp,
    final,
  }),
  z.strictObject({
    decay: z
      .literal('linear')
      .describe('A straight line from `peak` at the end of the warm-up to `final` at the end of the stage.'),
    ...warmUp,
    final,
  }),
  z.strictObject({
    decay: z
      .literal('oneCycle')
      .describe(
        "Smith and Topin's one cycle as in PyTorch: half a cosine from `warmupStart` up to `peak` over the warm-up, and half a cosine down to `final` at the end of the stage.",
      ),
    ...warmUp,
    final,
    momentum: z
      .strictObject({
        low: fraction.default(0.85).describe('Momentum when the learning rate is at `peak`.'),
        high: fraction.default(0.95).describe('Momentum at the beginning and at the end of the stage.'),
      })
      .optional()
      .describe(
        "Momentum (`beta1` for Adam and AdamW) cycles the other way, in place of the optimizer's own. Without it momentum stays.",
      ),
  }),
  z.strictObject({
    decay: z.literal('step').describe('Times `factor` at every milestone.'),
    ...warmUp,
    milestones: z
      .array(positive)
      .min(1)
      .meta({ unit: 'epochs' })
      .describe('When to step, ascending, counted from the beginning of the stage.'),
    factor: positive.default(0.1).describe('What a milestone multiplies the learning rate by.'),
  }),
]);

const training = {
  name: label.describe('What the stage is called in metrics, logs and checkpoints; unique in the run.'),
  epochs: count
    .meta({ unit: 'epochs' })
    .describe('Passes over the training images; the incomplete last global batch of an epoch is dropped.'),
  optimizer: optimizer.describe('How gradients change weights. Its state begins anew with every stage.'),
  learningRate: learningRate.describe('The learning rate over the stage, counted in samples.'),
  clipNorm: positive
    .optional()
    .describe('Scale gradients so that their global norm is at most this. Without it they are not clipped.'),
  augment: augmentSchema
    .optional()
    .meta({ sameAs: 'data.augment' })
    .describe('How this stage changes training images, all of it: nothing is taken from `data.augment`.'),
  learningRates: z
    .array(
      z.strictObject({
        match: z
          .string()
          .min(1)
          .describe(
            'Names of parameters that the stage trains: `*` stands for anything, and a name without it for all that begin with it up to a dot (`encoder.layer1`).',
          ),
        factor: positive.describe('What the learning rate is multiplied by for them.'),
      }),
    )
    .default([])
    .describe(
      'Learning rates of their own for some parameters; where several entries match, the last one counts.',
    ),
  ema: z
    .strictObject({
      decay: fraction.describe(
        'How much of the average a step keeps, once the stage is long enough: step t keeps at most (1 + t)/(10 + t).',
      ),
    })
    .optional()
    .describe(
      'Average weights and running statistics over the steps of the stage. The average is what is evaluated and saved as the weights, and what the next stage starts from.',
    ),
};

/** The parts of an encoder that can be frozen without its last one: see encoder-parts.ts. */
const freezable = ['stem', 'stage1', 'stage2', 'stage3'] as const;

const temperature = positive.describe('What similarities are divided by.');

const views = z.literal([1, 2]);

const contrastive = {
  ...training,
  freeze: z
    .enum(['none', ...freezable])
    .default('none')
    .describe(
      'What stays as it is: nothing, or the encoder up to and with this part. BatchNorm is in inference mode there.',
    ),
  views: views
    .default(1)
    .describe(
      'How many times a step sees each image, augmented in another way each time. A micro-batch then has so many rows an image, for BatchNorm too; samples, epochs and learning rates count images.',
    ),
};

const stage = z.discriminatedUnion('objective', [
  z.strictObject({
    objective: z.literal('softmax').describe('Cross-entropy of the classifier head.'),
    ...training,
    labelSmoothing: fraction
      .default(0)
      .describe(
        'The share of the target that all classes get alike, the right one included. Training loss is the cross-entropy to that target; accuracy and the loss on the test images are those of the labels.',
      ),
    freeze: z
      .enum(['none', ...freezable, 'encoder'])
      .default('none')
      .describe(
        `What stays as an earlier stage or \`model.init\` left it: nothing, the encoder up to and with this part, or all of it. BatchNorm is in inference mode there.`,
      ),
    cacheFeatures: z
      .enum(['auto', 'never'])
      .default('auto')
      .describe(
        'What becomes of the features of a frozen encoder. `auto`: where training images are not augmented, they are computed once and kept by every worker, if that takes at most 1 GiB; those of the test images always are. `never`: computed anew each time.',
      ),
  }),
  z.strictObject({
    objective: z
      .literal('npairs')
      .describe(
        'N-pairs loss on the normalised embeddings of the global batch; trains encoder and projection head.',
      ),
    ...contrastive,
    temperature,
  }),
  z.strictObject({
    objective: z
      .literal('supcon')
      .describe(
        "Supervised contrastive loss (SupCon), likewise, with positives of the same class, never the row itself; without the factor temperature/0.07 of its authors' code, which belongs into the learning rate.",
      ),
    ...contrastive,
    temperature,
  }),
  z.strictObject({
    objective: z
      .literal('ntxent')
      .describe(
        "SimCLR's loss, likewise, with the other view of the same image for positive; it uses no labels.",
      ),
    ...contrastive,
    views: views.default(2).describe("2, since the positive of a row is the image's other view."),
    temperature,
  }),
  z.strictObject({
    objective: z
      .literal('triplet')
      .describe('Triplet loss, likewise, with the hardest positive and negative of each row.'),
    ...contrastive,
    margin: positive
      .lt(2)
      .describe(
        'By how much the farthest row of the same class is to be nearer than the nearest of another one; embeddings are at most 2 apart.',
      ),
  }),
]);

const powerOfTwo = positive
  .min(1)
  .max(2 ** 126)
  .refine(
    (value) => value === 2 ** Math.round(Math.log2(value)),
    'it is no power of two, by which scaling is exact',
  );

const lossScale = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none').describe('Gradients are those of the loss.') }),
  z.strictObject({
    kind: z.literal('fixed').describe('Always by `value`.'),
    value: powerOfTwo.describe('What the loss is multiplied by, and the summed gradients are divided by.'),
  }),
  z.strictObject({
    kind: z
      .literal('dynamic')
      .describe(
        'As large as it can be: a step whose gradients overflow is skipped and halves the scale, many good ones double it.',
      ),
    initial: powerOfTwo.default(65_536).describe('The scale at the beginning of every stage.'),
    growthInterval: count
      .default(2000)
      .meta({ unit: 'steps' })
      .describe('How many steps in a row without overflow double the scale.'),
  }),
]);

const evaluate = z.strictObject({
  everyEpochs: count
    .default(1)
    .meta({ unit: 'epochs' })
    .describe(
      'How often a softmax stage evaluates on the test images, besides at its end. Contrastive stages have no classifier to evaluate.',
    ),
  batchSize: count
    .max(65_536)
    .default(200)
    .meta({ unit: 'images' })
    .describe('Images that a worker evaluates at a time.'),
});

const checkpoint = z.strictObject({
  everyEpochs: count
    .default(1)
    .meta({ unit: 'epochs' })
    .describe('How often to write a checkpoint, counted within a stage; the end of a stage always gets one.'),
  everySteps: count.optional().meta({ unit: 'steps' }).describe('Also after every so many steps of the run.'),
  everyMinutes: positive.optional().meta({ unit: 'minutes' }).describe('Also when the last one is so old.'),
  keep: count
    .default(2)
    .meta({ unit: 'checkpoints' })
    .describe('How many of the newest checkpoints to keep, beside the one with the best test accuracy.'),
});

const recovery = z.strictObject({
  restarts: z
    .int()
    .min(0)
    .default(3)
    .meta({ unit: 'processes' })
    .describe(
      'How often in all local workers that end are started again, after a while that doubles each time.',
    ),
});

const exchange = z.strictObject({
  bucketBytes: z
    .int()
    .min(1024)
    .max(2 ** 30)
    .default(4 * 2 ** 20)
    .meta({ unit: 'bytes' })
    .describe(
      'The most that small gradients share a bucket for. A tensor above 1 MiB is a bucket of its own.',
    ),
  sharedMemory: z
    .enum(['auto', 'never'])
    .default('auto')
    .describe('`auto`: workers on one host exchange through shared memory. `never`: always through sockets.'),
  encryption: z
    .enum(['auto', 'always', 'never'])
    .default('auto')
    .describe(
      '`auto`: sockets are encrypted unless the coordinator listens on loopback. `never`: the token itself crosses the network in the clear.',
    ),
});

const deadlines = z.strictObject({
  connectSeconds: seconds
    .default(60)
    .meta({ unit: 'seconds' })
    .describe('From the start until all workers are registered and connected to each other.'),
  prepareSeconds: seconds
    .default(600)
    .meta({ unit: 'seconds' })
    .describe('Until a worker has its data and has built a stage.'),
  stepSeconds: seconds
    .default(300)
    .meta({ unit: 'seconds' })
    .describe('The longest that one step may take, from its assignment to its commit.'),
  evaluateSeconds: seconds
    .default(600)
    .meta({ unit: 'seconds' })
    .describe('The longest that a worker may take for one batch of an evaluation.'),
  checkpointSeconds: seconds
    .default(120)
    .meta({ unit: 'seconds' })
    .describe('The longest that the writing of one checkpoint may take.'),
  heartbeatSeconds: seconds
    .default(5)
    .meta({ unit: 'seconds' })
    .describe('A process that is silent for so long counts as lost.'),
});

export const configSchema = z.strictObject({
  name: label.describe('What the run is called.'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(1)
    .describe('The root of all randomness.'),
  data: data.describe('What to train and evaluate on.'),
  model: model.describe('What to train.'),
  batch: batch.describe('The global batch: K micro-batches of m images, on any number of workers.'),
  precision: z
    .enum(['float32', 'bfloat16', 'float16'])
    .default('float32')
    .describe(
      'Of convolutions; weights, sums, heads and objectives are always float32. TensorFlow has `bfloat16` on CPUs only, and `float16` on GPUs only.',
    ),
  lossScale: lossScale
    .optional()
    .describe(
      'Scaling of the loss, so that small gradients do not vanish in `float16`. By default `dynamic` with `float16`, else `none`.',
    ),
  threads: count
    .max(1024)
    .default(1)
    .meta({ unit: 'threads' })
    .describe(
      'TensorFlow threads of a worker. It is part of the config since the bits of a sum depend on it.',
    ),
  stages: z.array(stage).min(1).describe('What is trained, one after the other.'),
  evaluate: evaluate.prefault({}).describe('When and how to evaluate.'),
  checkpoint: checkpoint.prefault({}).describe('When to write checkpoints.'),
  recovery: recovery.prefault({}).describe('What happens when a worker is lost.'),
  exchange: exchange.prefault({}).describe('How workers exchange gradients. It changes no result.'),
  deadlines: deadlines.prefault({}).describe('When to give up waiting.'),
});

/** A complete configuration: checked, with all defaults, and frozen. */
export type Config = Frozen<z.output<typeof configSchema>>;

/** How a stage augments: by its own section, or by that of the data. */
export function stageAugment({ data }: Config, { augment }: StageConfig): AugmentConfig {
  return augment ?? data.augment;
}

export type ModelConfig = Config['model'];
export type StageConfig = Config['stages'][number];
export type SoftmaxStage = Extract<StageConfig, { objective: 'softmax' }>;
export type ContrastiveStage = Exclude<StageConfig, SoftmaxStage>;
export type OptimizerConfig = StageConfig['optimizer'];
export type LearningRateConfig = StageConfig['learningRate'];
export type LossScaleConfig = NonNullable<Config['lossScale']>;
