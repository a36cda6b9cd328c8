/** Histograms of a run's weights, one for each tensor of each checkpoint that is still there. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { listCheckpoints, openCheckpoint } from '../../shared/checkpoint/checkpoint.js';
import { LockstepError } from '../../shared/errors.js';
import { histogram, summary } from './event.js';
import { EventFile } from './event-file.js';
import { histogramOf } from './histogram.js';
import { eventsFolder } from './run-events.js';

export interface WrittenHistograms {
  readonly folder: string;
  /** The steps of the checkpoints. */
  readonly steps: readonly number[];
  /** Of one checkpoint. */
  readonly tensors: number;
}

/**
 * Writes them as a run of its own beside the scalars, which a run that goes on is writing; earlier ones are replaced.
 * @throws LockstepError CHECKPOINT when one is damaged, or there are none
 */
export async function writeWeightHistograms(runFolder: string): Promise<WrittenHistograms> {
  const checkpoints = await listCheckpoints(runFolder);
  if (checkpoints.length === 0) {
    throw new LockstepError(
      'CHECKPOINT',
      `${runFolder} has no checkpoint, so there are no weights to show.`,
      {
        hint: 'A run saves one at the end of each epoch, unless its checkpoint section says otherwise.',
      },
    );
  }
  const folder = join(eventsFolder(runFolder), 'weights');
  const partial = `${folder}.${process.pid}.partial`;
  await mkdir(partial, { recursive: true });
  const steps: number[] = [];
  let tensors = 0;
  try {
    const file = EventFile.begin(partial, Date.now() / 1000);
    try {
      for (const checkpoint of checkpoints) {
        const found = await histogramsOf(checkpoint);
        if (found === undefined) continue;
        const { step, values } = found;
        const { mtimeMs } = await stat(join(checkpoint, 'manifest.json'));
        file.append(summary({ wallTime: mtimeMs / 1000, step }, values));
        steps.push(step);
        tensors = values.length;
      }
    } finally {
      file.close();
    }
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return { folder, steps, tensors };
}

/** Undefined when the run has removed the checkpoint meanwhile, for a newer one. */
async function histogramsOf(folder: string): Promise<{ step: number; values: Buffer[] } | undefined> {
  const checkpoint = await openCheckpoint(folder).catch((error: unknown) => {
    if (existsSync(folder)) throw error;
  });
  if (checkpoint === undefined) return undefined;
  try {
    const values: Buffer[] = [];
    for (const { name, file } of checkpoint.tensors) {
      if (file !== 'weights') continue;
      const bytes = await checkpoint.read(name);
      const found = histogramOf(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4));
      if (found !== undefined) values.push(histogram(tagOf(name), found));
    }
    return { step: checkpoint.manifest.step, values };
  } finally {
    await checkpoint.close();
  }
}

/** TensorBoard groups by what stands before a slash: encoder, projection, classifier. */
function tagOf(name: string): string {
  return name.replace('.', '/');
}
