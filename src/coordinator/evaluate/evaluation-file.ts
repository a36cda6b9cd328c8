/** evaluation.json: what `lockstep eval` has found out about a run's checkpoint, for its report. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeAtomically } from '../../shared/checkpoint/durable.js';
import { LockstepError } from '../../shared/errors.js';

const count = z.int().nonnegative();
/** Null where it is not a finite number: of nothing, or of a model that has diverged. */
const measured = z.number().nullable();
const perPoint = z.readonly(z.array(z.number()));

/** Accuracy is a fraction, 0 to 1; loss the mean cross-entropy in nats. */
const scoreSchema = z.object({ accuracy: measured, loss: measured });

const classifierSchema = z.object({
  ...scoreSchema.shape,
  /** A row an actual class, a column a predicted one; images. */
  confusion: z.array(z.array(count)),
  /** In the order of `classes`. */
  classes: z.array(z.object({ images: count, recall: measured, precision: measured })),
  calibration: z.object({
    ece: measured,
    bins: z.readonly(
      z.array(
        z.object({ from: z.number(), to: z.number(), count, confidence: measured, accuracy: measured }),
      ),
    ),
  }),
});
export type ClassifierEvaluation = z.infer<typeof classifierSchema>;

/** Rows of length 1 of the images in `points`, as places. Places of all images are x0, y0, x1, y1, … */
const spaceSchema = z.object({
  name: z.enum(['features', 'embeddings']),
  width: count,
  alignment: measured,
  uniformity: measured,
  pca: z.object({ explained: z.tuple([measured, measured]), places: perPoint }),
  umap: z.object({ neighbours: count, minDist: z.number(), places: perPoint }).nullable(),
});
export type Space = z.infer<typeof spaceSchema>;

export const evaluationSchema = z.object({
  format: z.literal(1),
  /** The checkpoint's folder name, its commits, its stage. */
  checkpoint: z.string(),
  step: count,
  stage: z.string(),
  weightsDigest: z.string(),
  /** Test images; the first ones of the dataset. */
  images: count,
  classes: z.array(z.string()),
  /** Null where no classifier has been trained. */
  classifier: classifierSchema.nullable(),
  /** By the mean of the logits of each image and of its mirror image; null where that was not asked for. */
  flipAveraged: z.object({ ...scoreSchema.shape, ece: measured }).nullable(),
  knn: z
    .object({
      k: count,
      temperature: z.number(),
      trainImages: count,
      /** Votes weighted by exp(cosine/temperature), and one vote each. */
      weighted: z.number(),
      plain: z.number(),
    })
    .nullable(),
  probe: z
    .object({
      ...scoreSchema.shape,
      trainImages: count,
      l2: z.number(),
      iterations: count,
      converged: z.boolean(),
      objective: measured,
    })
    .nullable(),
  /** Which test images the spaces are of, their classes, and what the classifier took them for. */
  points: z.object({ images: perPoint, labels: perPoint, predicted: perPoint.nullable() }),
  spaces: z.array(spaceSchema),
});
export type Evaluation = z.infer<typeof evaluationSchema>;

export async function writeEvaluation(path: string, evaluation: Evaluation): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(evaluation)}\n`);
}

/** @throws LockstepError RUN_FOLDER if the file is missing, or no evaluation of this version */
export async function readEvaluation(path: string): Promise<Evaluation> {
  try {
    return evaluationSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new LockstepError('RUN_FOLDER', `${path} is missing or no evaluation of a checkpoint.`, {
      cause,
      hint: 'Make it anew with `lockstep eval`.',
    });
  }
}
