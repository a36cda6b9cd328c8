/** Evaluates a checkpoint with local workers: its classifier, its features, and what they look like. */
import { basename, dirname } from 'node:path';
import { openCheckpointOrRun } from '../../shared/checkpoint/checkpoint.js';
import { parseConfig } from '../../shared/config/parse.js';
import type { Config } from '../../shared/config/schema.js';
import { canCompute } from '../../shared/engine/session-config.js';
import { deviceFor } from '../gpus.js';
import { withWorkers } from '../run.js';
import { readRun } from '../run-folder.js';
import { writeEmbeddings } from './embeddings.js';
import type { Evaluation } from './evaluation-file.js';
import { type Measured, type MeasureOptions, measure } from './measure.js';

export interface EvaluateOptions extends MeasureOptions {
  readonly workers: number;
  /** Where workers' logs go. */
  readonly logs: string;
  /** How many test images are drawn as points; 0 for none. */
  readonly points: number;
  /** A folder that gets features and embeddings of the test images. */
  readonly embeddings: string | undefined;
}

export interface CheckpointEvaluation {
  /** The checkpoint's. */
  readonly folder: string;
  /** That of the run that the checkpoint belongs to, if it lies in one. */
  readonly run: string | undefined;
  /** Set where the weights are the average over the steps of the checkpoint's stage. */
  readonly weights?: 'ema';
  readonly evaluation: Evaluation;
}

/**
 * @param path a checkpoint, or a run folder, which means its newest whole one
 * @throws LockstepError CHECKPOINT when it is damaged; USAGE for a flip where there is no classifier
 */
export async function evaluateCheckpoint(
  path: string,
  options: EvaluateOptions,
): Promise<CheckpointEvaluation> {
  const checkpoint = await openCheckpointOrRun(path);
  try {
    const { folder, manifest } = checkpoint;
    const { workers, logs } = options;
    const config = forHere(parseConfig(manifest.config, `${folder}/manifest.json`), workers);
    const { measured, dataset, testImages } = await withWorkers(
      { config, workers, launch: 'local', bind: 'tcp://127.0.0.1:*', logs, restarts: 0, log: () => {} },
      async (ready) => ({ ...ready, measured: await measure(ready, checkpoint, config, options) }),
    );
    const labels = dataset.split('test').labels.subarray(0, testImages);
    const { classes } = dataset.manifest;
    if (options.embeddings !== undefined) {
      const { images } = dataset.split('test');
      await writeEmbeddings(options.embeddings, { ...measured, labels, classes, images });
    }
    const { classifier, flipAveraged, knn, probe } = measured;
    const evaluation: Evaluation = {
      ...{ format: 1, checkpoint: basename(folder) },
      ...{ step: manifest.step, stage: manifest.stage, weightsDigest: manifest.weightsDigest },
      ...{ images: testImages, classes: [...classes], classifier, flipAveraged, knn, probe },
      ...(await look(measured, labels, options)),
    };
    const stage = config.stages.find(({ name }) => name === manifest.stage);
    const weights = stage?.ema === undefined ? {} : ({ weights: 'ema' } as const);
    return { folder, run: await runOf(folder), ...weights, evaluation };
  } finally {
    await checkpoint.close();
  }
}

/**
 * What training asks of its workers is not asked of these: evaluation deals batches, not micro-batches, and what was
 * trained on other devices in their precision is evaluated here in float32.
 */
function forHere(config: Config, workers: number): Config {
  const { lossScale: _, precision, batch, ...others } = config;
  const microBatches = Math.max(batch.microBatches, workers);
  // No more images than there, which an epoch has.
  const microBatchSize = Math.ceil((batch.microBatches * batch.microBatchSize) / microBatches);
  return {
    ...others,
    batch: { ...batch, microBatches, microBatchSize },
    precision: canCompute({ precision, device: deviceFor(workers) }) ? precision : 'float32',
  };
}

/** A sample of the test images in each space. It takes seconds, so the workers are gone by then. */
async function look(
  { features, embeddings, predicted }: Measured,
  labels: Uint8Array,
  { points, progress }: EvaluateOptions,
): Promise<Pick<Evaluation, 'points' | 'spaces'>> {
  // Loaded now: other commands have no use for a library of maps.
  const { sampleOf, spaceOf } = await import('./spaces.js');
  const chosen = sampleOf(labels.length, points);
  const own = Uint8Array.from(chosen, (image) => labels[image]!);
  const spaces = [
    ['features', features] as const,
    ...(embeddings === undefined ? [] : [['embeddings', embeddings] as const]),
  ];
  return {
    points: {
      images: [...chosen],
      labels: [...own],
      predicted: predicted === undefined ? null : Array.from(chosen, (image) => predicted[image]!),
    },
    spaces:
      chosen.length === 0
        ? []
        : spaces.map(([name, rows]) => {
            progress(`a map of the ${name} of test images`, chosen.length, chosen.length);
            return spaceOf(name, rows, chosen, own);
          }),
  };
}

/** A checkpoint lies in RUN/checkpoints. */
async function runOf(folder: string): Promise<string | undefined> {
  const run = dirname(dirname(folder));
  return await readRun(run).then(
    () => run,
    () => undefined,
  );
}
