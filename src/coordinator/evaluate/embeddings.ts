/** What `lockstep eval --embeddings` leaves in a folder: rows for NumPy, who they are as CSV, and TensorBoard's projector. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageSide } from '../../shared/data/cifar.js';
import { LockstepError } from '../../shared/errors.js';
import { csv } from '../report/csv.js';
import { writeProjector } from '../tensorboard/projector.js';
import { writeNpy } from './npy.js';
import type { Rows } from './rows.js';

export interface Embedded {
  /** The encoder's, one row a test image. */
  readonly features: Rows;
  /** The projection head's, of length 1. */
  readonly embeddings: Rows | undefined;
  readonly labels: Uint8Array;
  readonly classes: readonly string[];
  readonly predicted: Uint8Array | undefined;
  /** [n,32,32,3], uint8. */
  readonly images: Uint8Array;
}

/**
 * Writes `features.npy`, `embeddings.npy` if there are any, `images.csv`, and the projector's files; what has these names
 * is replaced.
 * @throws LockstepError RUN_FOLDER when they can't be written
 */
export async function writeEmbeddings(folder: string, embedded: Embedded): Promise<void> {
  const { features, embeddings, labels, classes, predicted, images } = embedded;
  const nameOf = (label: number) => classes[label]!;
  try {
    await mkdir(folder, { recursive: true });
    await writeNpy(join(folder, 'features.npy'), features);
    if (embeddings !== undefined) await writeNpy(join(folder, 'embeddings.npy'), embeddings);
    const rows = Array.from(labels, (label, id) => [
      ...[id, label, nameOf(label)],
      ...(predicted === undefined ? [] : [nameOf(predicted[id]!)]),
    ]);
    const columns = ['id', 'label', 'class', ...(predicted === undefined ? [] : ['predicted'])];
    await writeFile(join(folder, 'images.csv'), csv({ columns, rows }));
  } catch (cause) {
    throw new LockstepError(
      'RUN_FOLDER',
      `Embeddings can't be written to ${folder}: ${(cause as Error).message}.`,
      { cause, hint: 'Give another folder.' },
    );
  }
  await writeProjector(folder, {
    points: features.values,
    width: features.width,
    labels: Array.from(labels, nameOf),
    images,
    side: imageSide,
  });
}
