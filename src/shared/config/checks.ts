/** What a config's fields must agree on with each other: the checks that no single field can make. */
import { encoderParts } from '../model/encoder-parts.js';
import { type AugmentConfig, changesImages } from './augment.js';
import { isContrastive, viewsOf } from './objectives.js';
import { type Config, type StageConfig, stageAugment } from './schema.js';

/** What is wrong, and where: `path` leads to the field, `message` follows its name. */
export interface Disagreement {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** All disagreements, in the order of the stages. */
export function disagreements(config: Config): Disagreement[] {
  return [
    ...encoderChecks(config.model),
    ...heads(config),
    ...augmentChecks(config.data.augment, ['data', 'augment']),
    ...config.stages.flatMap((stage, index) => [
      ...stageChecks(config, stage, index),
      ...(stage.augment === undefined ? [] : augmentChecks(stage.augment, ['stages', index, 'augment'])),
    ]),
  ];
}

/** Fields that only some encoders have. */
function encoderChecks({ encoder, stem, widths, batchNorm }: Config['model']): Disagreement[] {
  const found: Disagreement[] = [];
  const isSmall = encoder === 'tiny' || encoder === 'airbench';
  if (isSmall && stem !== 'cifar') {
    found.push({
      path: ['model', 'stem'],
      message: `must be cifar with the encoder ${encoder}, which has no other, not ${stem}`,
    });
  }
  if (widths !== undefined && encoder !== 'airbench') {
    found.push({
      path: ['model', 'widths'],
      message: `belongs to the encoder airbench, not to ${encoder}: leave it out`,
    });
  }
  if (batchNorm.zeroInit && (isSmall || encoder === 'resnet50v2')) {
    found.push({
      path: ['model', 'batchNorm', 'zeroInit'],
      message: `must be false with the encoder ${encoder}, which has no residual block that ends in BatchNorm`,
    });
  }
  return found;
}

function heads({ model, stages }: Config): Disagreement[] {
  const found: Disagreement[] = [];
  const contrastive = stages.find(isContrastive);
  const classifies = stages.some((stage) => !isContrastive(stage));
  if (contrastive !== undefined && model.projection === undefined) {
    found.push({
      path: ['model'],
      message: `needs a projection head (model.projection), since a stage has the objective ${contrastive.objective}`,
    });
  }
  if (contrastive === undefined && model.projection !== undefined) {
    found.push({
      path: ['model', 'projection'],
      message: 'is used by no stage: remove it, or add a stage with a contrastive objective, as npairs',
    });
  }
  if (classifies && model.classifier === undefined) {
    found.push({
      path: ['model'],
      message:
        'needs a classifier head (model.classifier, `{}` for a linear one), since a stage has the objective softmax',
    });
  }
  if (!classifies && model.classifier !== undefined) {
    found.push({
      path: ['model', 'classifier'],
      message: 'is used by no stage: remove it, or add a stage with the objective softmax',
    });
  }
  if (model.init?.classifier && model.classifier === undefined) {
    found.push({
      path: ['model', 'init', 'classifier'],
      message: 'needs a classifier head (model.classifier)',
    });
  }
  return found;
}

function augmentChecks(
  { crop, resizedCrop }: AugmentConfig,
  section: readonly (string | number)[],
): Disagreement[] {
  if (resizedCrop === undefined) return [];
  const found: Disagreement[] = [];
  if (crop > 0) {
    found.push({
      path: [...section, 'crop'],
      message: `must be 0 where there is a resizedCrop, not ${crop}: an image is cropped once (write crop: 0)`,
    });
  }
  for (const key of ['scale', 'ratio'] as const) {
    const [least, most] = resizedCrop[key];
    if (least <= most) continue;
    found.push({
      path: [...section, 'resizedCrop', key],
      message: `must ascend, not ${least}, ${most}`,
    });
  }
  return found;
}

function stageChecks(config: Config, stage: StageConfig, index: number): Disagreement[] {
  const { stages, model } = config;
  const found: Disagreement[] = [];
  const say = (field: readonly string[], message: string): void => {
    found.push({ path: ['stages', index, ...field], message });
  };
  const earlier = stages.slice(0, index);
  if (earlier.some(({ name }) => name === stage.name)) {
    say(['name'], `must be unique, but an earlier stage is called ${stage.name} too`);
  }
  const freezable = encoderParts(model.encoder).slice(0, -1);
  if (stage.freeze !== 'none') {
    if (model.init === undefined && !earlier.some(trainsEncoder)) {
      say(
        ['freeze'],
        `can be ${stage.freeze} only after a stage that trains the encoder, or with first weights from a file (model.init)`,
      );
    }
    if (stage.freeze !== 'encoder' && !freezable.includes(stage.freeze)) {
      say(
        ['freeze'],
        `can be ${freezable.join(' or ')} for the encoder ${model.encoder}, not ${stage.freeze}`,
      );
    }
  }
  if (stage.objective === 'ntxent' && stage.views !== 2) {
    say(
      ['views'],
      `must be 2 with the objective ntxent, which compares the views of an image, not ${stage.views}`,
    );
  }
  if (viewsOf(stage) > 1 && !changesImages(stageAugment(config, stage))) {
    say(['views'], 'can be 2 only where images are augmented (data.augment): both views would be the same');
  }
  const { optimizer, learningRate, epochs } = stage;
  if ('nesterov' in optimizer && optimizer.nesterov && optimizer.momentum === 0) {
    say(['optimizer', 'nesterov'], 'must be false when momentum is 0');
  }
  if (learningRate.warmupEpochs > epochs) {
    say(
      ['learningRate', 'warmupEpochs'],
      `must be at most the stage's epochs, ${epochs}, not ${learningRate.warmupEpochs}`,
    );
  }
  if (learningRate.warmupEpochs === 0 && learningRate.warmupStart > 0) {
    say(['learningRate', 'warmupStart'], 'needs warmupEpochs above 0: without a warm-up it is used nowhere');
  }
  if ('final' in learningRate && learningRate.final > learningRate.peak) {
    say(['learningRate', 'final'], `must be at most peak, ${learningRate.peak}, not ${learningRate.final}`);
  }
  if (learningRate.decay === 'oneCycle') {
    if (learningRate.warmupEpochs === 0) {
      say(['learningRate', 'warmupEpochs'], 'must be above 0 with decay: oneCycle, whose first part it is');
    }
    const { low = 0, high = 0 } = learningRate.momentum ?? {};
    if (low > high) say(['learningRate', 'momentum', 'low'], `must be at most high, ${high}, not ${low}`);
  }
  if (learningRate.decay === 'step') {
    const { milestones } = learningRate;
    if (milestones.some((milestone, i) => i > 0 && milestone <= milestones[i - 1]!)) {
      say(['learningRate', 'milestones'], `must ascend, not ${milestones.join(', ')}`);
    }
    if (milestones.some((milestone) => milestone >= epochs)) {
      say(['learningRate', 'milestones'], `must lie before the stage's end, epoch ${epochs}`);
    }
    if (milestones.some((milestone) => milestone < learningRate.warmupEpochs)) {
      say(['learningRate', 'milestones'], `must lie after the warm-up, epoch ${learningRate.warmupEpochs}`);
    }
  }
  return found;
}

function trainsEncoder(stage: StageConfig): boolean {
  return stage.freeze !== 'encoder';
}
