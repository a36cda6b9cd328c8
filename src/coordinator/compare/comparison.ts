/** comparison.json: what was compared and what each run came to, from which all results are computed. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isSystemError, writeAtomically } from '../../shared/checkpoint/durable.js';
import { LockstepError } from '../../shared/errors.js';
import { whyUnreadable } from '../../shared/unreadable.js';
import { answer } from './answer.js';
import { type Comparison, comparisonSchema } from './comparison-schema.js';
import { resultsOf } from './results.js';

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
