/** A scaling study from its first run to its last; study.json is written after each, so nothing measured is lost. */

import { LockstepError } from '../../shared/errors.js';
import { makeEmptyFolder } from '../new-folder.js';
import { type HeaderOptions, headerOf, trainImagesOf } from './header.js';
import { describeRun, measureRun, type RunOptions } from './measure-run.js';
import { configFor, interleaved } from './plan.js';
import { type Study, type StudyRun, writeStudy } from './study.js';

/** `folder` is a new folder, or an empty one. */
export type StudyOptions = HeaderOptions & RunOptions & { readonly note: (text: string) => void };

/** @throws LockstepError before anything runs if a number of workers can't run; later what ended a run. */
export async function runStudy(options: StudyOptions): Promise<Study> {
  const { config, workers, repeats, folder, stop, note } = options;
  const images = await trainImagesOf(config);
  const configs = new Map(workers.map((count) => [count, configFor(options, count, images)]));
  await makeEmptyFolder(folder);
  const study = await headerOf(options, configs.get(workers[0]!)!);
  const runs: StudyRun[] = [];
  const order = interleaved(workers, repeats);
  for (const [i, planned] of order.entries()) {
    const run = await measureRun(options, configs.get(planned.workers)!, planned);
    // One that was stopped has fewer steps than the others: it is left out.
    if (run === undefined) break;
    runs.push(run);
    await writeStudy(folder, { ...study, runs });
    note(`${i + 1}/${order.length}: ${describeRun(run)}`);
    if (stop.aborted) break;
  }
  if (runs.length === 0)
    throw new LockstepError('INTERRUPTED', 'The study was stopped before its first run ended.');
  return { ...study, runs };
}
