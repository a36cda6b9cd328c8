/** Evaluates a checkpoint with local workers. */
import { openCheckpointOrRun } from '../shared/checkpoint/checkpoint.js';
import { parseConfig } from '../shared/config/parse.js';
import { LockstepError } from '../shared/errors.js';
import { type EvaluationResult, evaluate } from './evaluation.js';
import { withWorkers } from './run.js';
import { loadTensors } from './saving.js';

export interface CheckpointEvaluation extends EvaluationResult {
  readonly folder: string;
  readonly step: number;
  readonly images: number;
}

/** @throws LockstepError CHECKPOINT when it is damaged, or has no classifier. */
export async function evaluateCheckpoint(
  path: string,
  workers: number,
  logs: string,
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
      async ({ group, testImages }) => {
        await loadTensors(group, checkpoint, ['weights'], config.deadlines.checkpointSeconds * 1000);
        const result = await evaluate(group, {
          stage: 0,
          images: testImages,
          batchSize: config.evaluate.batchSize,
          deadlineMs: config.deadlines.evaluateSeconds * 1000,
        });
        return { ...result, folder, step: manifest.step, images: testImages };
      },
    );
  } finally {
    await checkpoint.close();
  }
}
