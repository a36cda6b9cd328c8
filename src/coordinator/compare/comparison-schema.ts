/** What a comparison is, as comparison.json records it. */
import { z } from 'zod';
import { machineSchema } from '../scale/study.js';
import { budgetRules } from './budget.js';

const count = z.int().positive();

/** One run that has ended, or diverged. */
const runSchema = z.strictObject({
  arm: z.string(),
  seed: z.int(),
  /** Its folder, from that of the comparison. */
  run: z.string(),
  /** On the test images, after the last epoch, 0 to 1; null when there is none. */
  accuracy: z.number().nullable(),
  /** Why it came to no end, and so has no accuracy: which number was none, and in which step. */
  diverged: z.string().optional(),
  /** In steps, over all starts of the run: without evaluation, checkpoints and starting. 0 if it diverged in the first. */
  seconds: z.number().nonnegative(),
  workers: count,
  /** Of the last weights; null where it diverged. */
  weightsDigest: z.string().nullable(),
});
export type ComparedRun = z.infer<typeof runSchema>;

export const comparisonSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal('comparison'),
  name: z.string(),
  startedAt: z.iso.datetime(),
  commandLine: z.array(z.string()),
  versions: z.record(z.string(), z.string()),
  machine: machineSchema,
  seeds: z.array(z.int()).min(1),
  budget: z.enum(budgetRules),
  /** In use, after data.limit. */
  testImages: count,
  /** The first is what the others are measured against. */
  arms: z
    .array(
      z.strictObject({
        name: z.string(),
        config: z.string(),
        set: z.array(z.string()),
        /** Training images of one run. */
        samples: count,
        /** Of one run: see budget.ts. */
        encoderPasses: count,
      }),
    )
    .min(2),
  /** Settings in which the arms differ that should not. */
  differences: z.array(z.string()),
  /** In the order of seeds, then arms. */
  runs: z.array(runSchema),
});
export type Comparison = z.infer<typeof comparisonSchema>;
