/** What a checkpoint's evaluation takes the engine for: dealt over the workers, who hold its weights. */
import type { Checkpoint } from '../../shared/checkpoint/checkpoint.js';
import type { Config } from '../../shared/config/schema.js';
import { LockstepError } from '../../shared/errors.js';
import type { ModelOutput } from '../../shared/protocol/messages.js';
import type { ReadyGroup } from '../run.js';
import { loadTensors } from '../saving.js';
import { calibration } from './calibration.js';
import { accuracyOf, answers, classScores, confusionMatrix, mean } from './classification.js';
import type { ClassifierEvaluation, Evaluation } from './evaluation-file.js';
import { knnNeighbours, knnTemperature, vote } from './knn.js';
import { collectOutputs, type EvaluationPlan } from './outputs.js';
import { linearProbe } from './probe.js';
import type { Rows } from './rows.js';
import { TrainFeatures } from './train-features.js';

export interface MeasureOptions {
  /** The k-nearest-neighbour classifier on features; by default where there is no classifier. */
  readonly knn: boolean | undefined;
  /** The linear classifier on features; by default where there is no classifier. */
  readonly probe: boolean | undefined;
  /** Also average each image with its mirror image. */
  readonly flip: boolean;
  /** Told how far it is. */
  readonly progress: (doing: string, done: number, total: number) => void;
}

export interface Measured extends Pick<Evaluation, 'classifier' | 'flipAveraged' | 'knn' | 'probe'> {
  /** Of the test images. */
  readonly features: Rows;
  readonly embeddings: Rows | undefined;
  readonly predicted: Uint8Array | undefined;
}

/**
 * Nothing that the coordinator computes here is long: workers take one that is silent for lost.
 * @throws LockstepError USAGE for a flip where there is no classifier
 */
export async function measure(
  { group, testImages, trainImages, dataset }: ReadyGroup,
  checkpoint: Checkpoint,
  config: Config,
  { knn, probe, flip, progress }: MeasureOptions,
): Promise<Measured> {
  const heads = trainedHeads(config, checkpoint);
  if (flip && !heads.classifier) {
    throw new LockstepError('USAGE', `${checkpoint.folder} has no trained classifier to average flips of.`, {
      hint: 'Leave --tta out.',
    });
  }
  await loadTensors(group, checkpoint, ['weights'], config.deadlines.checkpointSeconds * 1000);
  const test: EvaluationPlan = {
    ...{ split: 'test', images: testImages, batchSize: config.evaluate.batchSize },
    deadlineMs: config.deadlines.evaluateSeconds * 1000,
  };
  const labels = dataset.split('test').labels.subarray(0, testImages);
  const classes = dataset.manifest.classes.length;
  const names: ModelOutput[] = [
    ...(heads.classifier ? (['logits'] as const) : []),
    'features',
    ...(heads.projection ? (['embeddings'] as const) : []),
  ];
  const collect = (doing: string, mirrored: boolean): Promise<Partial<Record<ModelOutput, Rows>>> =>
    collectOutputs(group, test, {
      ...{ names, mirrored },
      progress: (done) => progress(doing, done, testImages),
    });
  const { logits, features, embeddings } = await collect('test images', false);
  const mirrored = flip ? await collect('mirrored test images', true) : {};
  const found: { knn: Evaluation['knn']; probe: Evaluation['probe'] } = { knn: null, probe: null };
  const wants = { knn: knn ?? !heads.classifier, probe: probe ?? !heads.classifier };
  if (wants.knn || wants.probe) {
    const plan: EvaluationPlan = { ...test, split: 'train', images: trainImages };
    const train = await TrainFeatures.keep(group, plan, names, (done) =>
      progress('training images', done, trainImages),
    );
    if (wants.knn) {
      const k = Math.min(knnNeighbours, trainImages);
      const near = await train.neighbours(features!, k, (done) =>
        progress('neighbours of test images', done, testImages),
      );
      const trainLabels = dataset.split('train').labels;
      const accuracy = (temperature: number | null) =>
        accuracyOf(vote(near, trainLabels, classes, temperature), labels);
      const [weighted, plain] = [accuracy(knnTemperature), accuracy(null)];
      found.knn = { k, temperature: knnTemperature, trainImages, weighted, plain };
    }
    if (wants.probe) found.probe = await linearProbe(train, features!, labels, classes);
  }
  return {
    ...{ ...found, embeddings, features: features! },
    classifier: logits === undefined ? null : classified(logits, labels, classes),
    flipAveraged:
      logits === undefined || mirrored.logits === undefined
        ? null
        : flipped(averaged(logits, mirrored.logits), labels),
    predicted: logits === undefined ? undefined : answers(logits, labels).predicted,
  };
}

/** The heads that a stage has trained by then; the others hold what they were initialised with. */
function trainedHeads({ stages }: Config, { manifest }: Checkpoint) {
  const begun = stages.slice(0, (manifest.position.stage ?? stages.length) + 1);
  return {
    classifier: begun.some(({ objective }) => objective === 'softmax'),
    projection: begun.some(({ objective }) => objective !== 'softmax'),
  };
}

function classified(logits: Rows, labels: Uint8Array, classes: number): ClassifierEvaluation {
  const { predicted, confidence, losses } = answers(logits, labels);
  const confusion = confusionMatrix(predicted, labels, classes);
  return {
    accuracy: accuracyOf(predicted, labels),
    loss: mean(losses),
    confusion,
    classes: classScores(confusion),
    calibration: calibration(confidence, rightOnes(predicted, labels)),
  };
}

function flipped(logits: Rows, labels: Uint8Array): NonNullable<Evaluation['flipAveraged']> {
  const { predicted, confidence, losses } = answers(logits, labels);
  const { ece } = calibration(confidence, rightOnes(predicted, labels));
  return { accuracy: accuracyOf(predicted, labels), loss: mean(losses), ece };
}

function rightOnes(predicted: Uint8Array, labels: Uint8Array): boolean[] {
  return Array.from(predicted, (answer, i) => answer === labels[i]);
}

function averaged(a: Rows, b: Rows): Rows {
  return { values: a.values.map((value, i) => (value + b.values[i]!) / 2), width: a.width };
}
