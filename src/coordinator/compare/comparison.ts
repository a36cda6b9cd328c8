/** comparison.json: what was compared and what each run came to, from which all results are computed. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isSystemError, writeAtomically } from '../../shared/checkpoint/durable.js';
import { LockstepError } from '../../shared/errors.js';
import { whyUnreadable } from '../../shared/unreadable.js';
import { machineSchema } from '../scale/study.js';
import { answer } from './answer.js';
import { budgetRules } from './budget.js';
import { resultsOf } from './results.js';

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

/** What is written and printed: the comparison, and what follows from it. */
export function documentOf(comparison: Comparison) {
  return { ...comparison, results: resultsOf(comparison), answer: answer(comparison) };
}

export function comparisonFileAt(folder: string): string {
  return join(folder, 'comparison.json');
}

export async function writeComparison(folder: string, comparison: Comparison): Promise<void> {
  await writeAtomically(comparisonFileAt(folder), `${JSON.stringify(documentOf(comparison), null, 2)}\n`);
}

const fileSchema = comparisonSchema.extend({ results: z.unknown(), answer: z.unknown() });

/** @throws LockstepError RUN_FOLDER when there is none, or it is not one */
export async function readComparison(folder: string): Promise<Comparison> {
  const path = comparisonFileAt(folder);
  try {
    const {
      results: _,
      answer: __,
      ...comparison
    } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return comparison;
  } catch (cause) {
    if (isSystemError(cause, 'ENOENT', 'ENOTDIR')) {
      throw new LockstepError('RUN_FOLDER', `${folder} holds no comparison: it has no comparison.json.`, {
        cause,
        hint: 'A comparison is what `lockstep compare` makes.',
      });
    }
    const why = whyUnreadable(cause);
    throw new LockstepError('RUN_FOLDER', `${path} can't be read: ${why}.`, { cause });
  }
}
