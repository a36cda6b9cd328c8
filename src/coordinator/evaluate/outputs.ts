/** What a model makes of all images of a split, dealt over the workers; every image once, whatever their number. */
import type { Split } from '../../shared/data/sample-source.js';
import { LockstepError } from '../../shared/errors.js';
import type { Range } from '../../shared/plan/range.js';
import type { ModelOutput } from '../../shared/protocol/messages.js';
import { sameEverywhere } from '../commit.js';
import type { WorkerGroup } from '../worker-group.js';
import { type Classification, classification } from './classification.js';
import type { Rows } from './rows.js';

export interface EvaluationPlan {
  readonly split: Split;
  readonly images: number;
  readonly batchSize: number;
  /** For each batch. */
  readonly deadlineMs: number;
}

/** Called with the number of images that are done. */
export type OnImages = (done: number) => void;

export interface Wanted<Name extends ModelOutput> {
  readonly names: readonly Name[];
  /** Whether the images are turned left to right. */
  readonly mirrored?: boolean;
  readonly progress?: OnImages;
}

/**
 * Batches of `batchSize` images, contiguous shares; rows come in the order of the images.
 * @throws LockstepError DIVERGED when the workers' weights differ
 */
export async function collectOutputs<Name extends ModelOutput>(
  group: WorkerGroup,
  plan: EvaluationPlan,
  { names, mirrored = false, progress = () => {} }: Wanted<Name>,
): Promise<Record<Name, Rows>> {
  const { images, batchSize } = plan;
  const batches = Math.ceil(images / batchSize);
  const found = names.map((): { rows: Rows | undefined } => ({ rows: undefined }));
  const shares = group.members.map((_, rank) => shareOf(rank, group.members.length, batches));
  const request = { split: plan.split, outputs: [...names], mirrored, keep: null };
  await dealBatches(group, plan, shares, request, progress, (batch, frames) => {
    const first = batch * batchSize;
    const count = Math.min(batchSize, images - first);
    for (const [i, output] of found.entries()) {
      const frame = frames[i];
      const width = (frame?.length ?? 0) / 4 / count;
      if (frame === undefined || !Number.isInteger(width) || width !== (output.rows?.width ?? width)) {
        throw new LockstepError(
          'PROTOCOL',
          `${frame?.length ?? 0} bytes came as the ${names[i]} of ${count} images.`,
        );
      }
      output.rows ??= { values: new Float32Array(images * width), width };
      new Uint8Array(output.rows.values.buffer).set(frame, first * width * 4);
    }
  });
  return Object.fromEntries(names.map((name, i) => [name, found[i]!.rows!])) as Record<Name, Rows>;
}

/** Deals batches by shares, and hands over each one's frames as they come. */
export async function dealBatches(
  group: WorkerGroup,
  { images, batchSize, deadlineMs }: EvaluationPlan,
  shares: readonly Range[],
  request: {
    readonly split: Split;
    readonly outputs: ModelOutput[];
    readonly mirrored: boolean;
    readonly keep: number | null;
  },
  progress: OnImages,
  take: (batch: number, frames: readonly Uint8Array[]) => void,
): Promise<void> {
  await Promise.all(
    shares.map((batches, rank) => group.send(rank, { type: 'evaluate', ...request, batches })),
  );
  let done = 0;
  const fingerprints = await Promise.all(
    group.members.map(async (worker, rank) => {
      const { lo, hi } = shares[rank]!;
      for (let batch = lo; batch < hi; batch += 1) {
        const { message, frames } = await group.receive(worker, 'outputs', deadlineMs);
        if (message.batch !== batch) {
          throw new LockstepError('PROTOCOL', `${worker.name} sent batch ${message.batch}, not ${batch}.`);
        }
        take(batch, frames);
        done += Math.min(batchSize, images - batch * batchSize);
        progress(done);
      }
      return (await group.receive(worker, 'evaluated', deadlineMs)).message.fingerprint;
    }),
  );
  sameEverywhere(fingerprints, 'evaluated weights', (rank) => group.nameOf(rank));
}

/** A contiguous share, empty where there are more workers than batches. */
export function shareOf(rank: number, worldSize: number, batches: number): Range {
  return { lo: Math.floor((rank * batches) / worldSize), hi: Math.floor(((rank + 1) * batches) / worldSize) };
}

/** What the classifier comes to on the test images. @param labels one a test image */
export async function evaluate(
  group: WorkerGroup,
  plan: Omit<EvaluationPlan, 'split'>,
  labels: Uint8Array,
): Promise<Classification> {
  const { logits } = await collectOutputs(group, { split: 'test', ...plan }, { names: ['logits'] });
  return classification(logits, labels);
}
