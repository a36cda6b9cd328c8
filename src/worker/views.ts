/** Samples as a micro-batch shows them: one or more views of each, differently augmented. */
import { concatenated, type Parameters, parameters } from '../shared/augment/parameters.js';
import type { AugmentConfig } from '../shared/config/augment.js';
import { imageBytes } from '../shared/data/cifar.js';
import type { SampleSource } from '../shared/data/sample-source.js';

export interface Views {
  readonly seed: number;
  /** Counted over the whole run. */
  readonly epoch: number;
  /** How many of each sample. */
  readonly views: number;
  readonly augment: AugmentConfig;
}

/** uint8 [views·n,32,32,3], int32 [views·n], and rows in the same order. */
export interface ViewedSamples {
  readonly images: Uint8Array;
  readonly labels: Int32Array;
  readonly augmentation: Parameters;
}

/** Prepared training samples, view by view: all of the first view, then all of the second. */
export function fillViews(
  source: SampleSource,
  ids: Int32Array,
  { views, ...options }: Views,
): ViewedSamples {
  const n = ids.length;
  const images = new Uint8Array(views * n * imageBytes);
  const labels = new Int32Array(views * n);
  const augmentation = Array.from({ length: views }, (_, view) => {
    const [first, end] = [view * n, (view + 1) * n];
    const rows = images.subarray(first * imageBytes, end * imageBytes);
    source.fill('train', ids, rows, labels.subarray(first, end), { ...options, view });
    return parameters(ids, { ...options, view });
  });
  return { images, labels, augmentation: concatenated(augmentation) };
}
