/** summary.json: what a run came to, written once at its end. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeAtomically } from '../shared/checkpoint/durable.js';
import { LockstepError } from '../shared/errors.js';

/** Test loss or accuracy; null where a stage has none (a pretrained encoder has no classifier) or it diverged. */
const result = z.number().nullable();

export const summarySchema = z.strictObject({
  stages: z.readonly(
    z.array(
      z.strictObject({
        name: z.string(),
        objective: z.string(),
        epochs: z.number().nonnegative(),
        loss: result,
        accuracy: result,
        /** What was evaluated, where it is the average over the stage's steps. */
        weights: z.literal('ema').optional(),
      }),
    ),
  ),
  /** Of the last stage that classifies, on the test images, 0 to 1. */
  accuracy: result,
  /** Wall clock since the run was started, or resumed last. */
  seconds: z.number().nonnegative(),
  /** Of the final weights, as in a checkpoint's manifest. */
  weightsDigest: z.string(),
});
export type Summary = z.infer<typeof summarySchema>;

export async function writeSummary(path: string, summary: Summary): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(summary, null, 2)}\n`);
}

/** Throws RUN_FOLDER if the file is missing (the run hasn't ended) or is no summary. */
export async function readSummary(path: string): Promise<Summary> {
  try {
    return summarySchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new LockstepError('RUN_FOLDER', `${path} is missing or no summary of a run.`, {
      cause,
      hint: 'A run writes it when it has ended.',
    });
  }
}
