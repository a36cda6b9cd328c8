/** What a model's spaces look like: features and embeddings of a sample of the test images, as numbers and as places. */
import { permutation } from '../../shared/random/permutation.js';
import { alignmentAndUniformity } from './alignment.js';
import type { Space } from './evaluation-file.js';
import { principalComponents } from './pca.js';
import type { Rows } from './rows.js';
import { umap } from './umap.js';
import { products, unitRows } from './unit-rows.js';

/** `most` of `images` test images, ascending: the same ones whatever the run, so that runs can be laid side by side. */
export function sampleOf(images: number, most: number): Int32Array {
  return permutation(images, 0, 0).subarray(0, Math.min(images, most)).sort();
}

/** @param rows of all test images; `labels` of the chosen ones. Rows are taken with length 1. */
export function spaceOf(name: Space['name'], rows: Rows, chosen: Int32Array, labels: Uint8Array): Space {
  const unit = unitRows(rows, chosen);
  const cosines = products(unit);
  const { points, explained } = principalComponents(unit);
  const map = umap(cosines, chosen.length);
  return {
    name,
    width: rows.width,
    ...alignmentAndUniformity(cosines, labels),
    pca: { explained: [...explained], places: rounded(points) },
    umap:
      map === undefined
        ? null
        : { neighbours: map.neighbours, minDist: map.minDist, places: rounded(map.points) },
  };
}

/** Finer than anybody sees, and a quarter of the file. */
function rounded(places: Float64Array): number[] {
  return Array.from(places, (value) => Number(value.toPrecision(4)));
}
