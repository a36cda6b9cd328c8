/** What the encoder makes of all test images, dealt over the workers. */
import { LockstepError } from '../shared/errors.js';
import { shareOf } from './evaluation.js';
import type { WorkerGroup } from './worker-group.js';

export interface FeaturesPlan {
  readonly images: number;
  readonly batchSize: number;
  readonly deadlineMs: number;
}

/** @returns float32 [images, f], in the order of the images */
export async function collectFeatures(
  group: WorkerGroup,
  { images, batchSize, deadlineMs }: FeaturesPlan,
): Promise<Float32Array> {
  const { members } = group;
  const batches = Math.ceil(images / batchSize);
  await Promise.all(
    members.map((_, rank) =>
      group.send(rank, { type: 'features', batches: shareOf(rank, members.length, batches) }),
    ),
  );
  const answers = await Promise.all(members.map((worker) => group.receive(worker, 'features', deadlineMs)));
  const bytes = Buffer.concat(answers.flatMap(({ frames }) => frames));
  if (bytes.length === 0 || bytes.length % (4 * images) !== 0) {
    throw new LockstepError('PROTOCOL', `${bytes.length} bytes came as the features of ${images} images.`);
  }
  const values = new Float32Array(bytes.length / 4);
  new Uint8Array(values.buffer).set(bytes);
  return values;
}
