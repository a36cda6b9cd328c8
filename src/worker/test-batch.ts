/** A batch of test images of one size, whatever their number: a traced function has one shape. */
import type { SampleSource } from '../shared/data/source.js';
import { elementCount } from '../shared/engine/dtype.js';
import { imageShape } from '../shared/model/model.js';

export interface TestBatch {
  /** uint8 [size,32,32,3] */
  readonly images: Uint8Array;
  /** int32 [size] */
  readonly labels: Int32Array;
  /** The first rows are test images; what follows repeats the first. */
  readonly real: number;
}

/** Batch b of `size` holds test images b·size … of `count`. */
export async function testBatch(
  source: SampleSource,
  batch: number,
  size: number,
  count: number,
): Promise<TestBatch> {
  const first = batch * size;
  const real = Math.min(size, count - first);
  const ids = Int32Array.from({ length: size }, (_, i) => first + (i < real ? i : 0));
  const images = new Uint8Array(size * elementCount(imageShape));
  const labels = new Int32Array(size);
  await source.prepare('test', ids);
  source.fill('test', ids, images, labels, null);
  return { images, labels, real };
}
