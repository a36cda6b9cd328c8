/** A batch of images of one size, whatever their number, and never augmented: a traced function has one shape. */
import type { SampleSource, Split } from '../shared/data/sample-source.js';
import { elementCount } from '../shared/engine/dtype.js';
import { imageShape } from '../shared/model/model.js';

/** Which images: batch b of `size` holds images b·size … of the split's first `count`. */
export interface BatchPlace {
  readonly split: Split;
  readonly batch: number;
  readonly size: number;
  readonly count: number;
}

export interface EvaluationBatch {
  /** uint8 [size,32,32,3] */
  readonly images: Uint8Array;
  /** int32 [size] */
  readonly labels: Int32Array;
  /** The first rows are images of the batch; what follows repeats the first. */
  readonly real: number;
}

/** @param mirrored left to right */
export async function evaluationBatch(
  source: SampleSource,
  { split, batch, size, count }: BatchPlace,
  mirrored: boolean,
): Promise<EvaluationBatch> {
  const first = batch * size;
  const real = Math.min(size, count - first);
  const ids = Int32Array.from({ length: size }, (_, i) => first + (i < real ? i : 0));
  const images = new Uint8Array(size * elementCount(imageShape));
  const labels = new Int32Array(size);
  await source.prepare(split, ids);
  source.fill(split, ids, images, labels, null);
  if (mirrored) mirror(images);
  return { images, labels, real };
}

/** Turns each row of pixels of [n,32,32,3] around, in place. */
export function mirror(images: Uint8Array): void {
  const [, width, channels] = imageShape;
  const row = width * channels;
  for (let begin = 0; begin < images.length; begin += row) {
    for (let left = 0; left < width >> 1; left += 1) {
      const a = begin + left * channels;
      const b = begin + (width - 1 - left) * channels;
      for (let channel = 0; channel < channels; channel += 1) {
        const kept = images[a + channel]!;
        images[a + channel] = images[b + channel]!;
        images[b + channel] = kept;
      }
    }
  }
}
