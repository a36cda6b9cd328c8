/** Runs that have diverged, as comparison.json remembers them: their folders hold no summary. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runFolderAt } from '../run-folder.js';
import { comparisonFileAt, readComparison } from './comparison.js';
import type { ComparedRun } from './comparison-schema.js';

/**
 * What an earlier start of the comparison has recorded of runs that have diverged. Steps are the same each time, so they would
 * again. One whose folder is gone is to be trained anew, and one that has ended since is a result like others.
 * @param folder the comparison's, whose runs have been found to have the configs that are planned
 * @returns records by the folders of the runs, from that of the comparison
 * @throws LockstepError RUN_FOLDER when comparison.json can't be read
 */
export async function divergedBefore(folder: string): Promise<Map<string, ComparedRun>> {
  if (!existsSync(comparisonFileAt(folder))) return new Map();
  const { runs } = await readComparison(folder);
  const kept = runs.filter(({ run, diverged }) => {
    const path = join(folder, run);
    const there = existsSync(join(path, 'run.json'));
    return diverged !== undefined && there && !existsSync(runFolderAt(path).summary);
  });
  return new Map(kept.map((record) => [record.run, record]));
}
