/** Evaluates a checkpoint with local workers. */
import { openCheckpointOrRun } from '../shared/checkpoint/checkpoint.js';
import { parseConfig } from '../shared/config/parse.js';
import { imageSide } from '../shared/data/cifar.js';
import { LockstepError } from '../shared/errors.js';
import { type EvaluationResult, evaluate } from './evaluation.js';
import { collectFeatures } from './features.js';
import { withWorkers } from './run.js';
import { loadTensors } from './saving.js';
import { writeProjector } from './tensorboard/projector.js';

export interface CheckpointEvaluation extends EvaluationResult {
  readonly folder: string;
  readonly step: number;
  readonly images: number;
  /** Set where the weights are the average over the steps of the checkpoint's stage. */
  readonly weights?: 'ema';
}

/**
 * @param embeddings a folder that gets the encoder's features of the test images, for TensorBoard's projector
 * @throws LockstepError CHECKPOINT when it is damaged, or has no classifier.
 */
export async function evaluateCheckpoint(
  path: string,
  workers: number,
  logs: string,
  embeddings: string | undefined,
): Promise<CheckpointEvaluation> {
  const checkpoint = await openCheckpointOrRun(path);
  try {
    const { folder, manifest } = checkpoint;
    const config = parseConfig(manifest.config, `${folder}/manifest.json`);
    if (config.model.classifier === undefined) {
      throw new LockstepError('CHECKPOINT', `${folder} has no classifier head, so it has no accuracy.`, {
        hint: 'Train a softmax stage on it first.',
      });
    }
    return await withWorkers(
      { config, workers, launch: 'local', bind: 'tcp://127.0.0.1:*', logs, restarts: 0, log: () => {} },
      async ({ group, testImages, dataset }) => {
        await loadTensors(group, checkpoint, ['weights'], config.deadlines.checkpointSeconds * 1000);
        const plan = {
          images: testImages,
          batchSize: config.evaluate.batchSize,
          deadlineMs: config.deadlines.evaluateSeconds * 1000,
        };
        const result = await evaluate(group, { stage: 0, ...plan });
        if (embeddings !== undefined) {
          const points = await collectFeatures(group, plan);
          const { labels, images } = dataset.split('test');
          const { classes } = dataset.manifest;
          await writeProjector(embeddings, {
            points,
            width: points.length / testImages,
            labels: Array.from(labels.subarray(0, testImages), (label) => classes[label]!),
            images,
            side: imageSide,
          });
        }
        const stage = config.stages.find(({ name }) => name === manifest.stage);
        const weights = stage?.ema === undefined ? {} : ({ weights: 'ema' } as const);
        return { ...result, folder, step: manifest.step, images: testImages, ...weights };
      },
    );
  } finally {
    await checkpoint.close();
  }
}
