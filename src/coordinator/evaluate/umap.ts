/**
 * A map that keeps neighbours together: UMAP (McInnes, Healy and Melville 2018) by umap-js, whose random numbers are keyed
 * here, and whose neighbours are exact. It rounds as V8's exp and pow do, so another version of V8 may draw another map.
 */
import { UMAP } from 'umap-js';
import { uniform } from '../../shared/random/keyed.js';

export interface UmapMap {
  /** Neighbours of each point that it keeps together. */
  readonly neighbours: number;
  readonly minDist: number;
  /** [n,2]; only who lies near whom means anything. */
  readonly points: Float64Array;
}

/** umap-learn's defaults. */
const mostNeighbours = 15;
const minDist = 0.1;
/** As umap-learn has for large data: a layout that looks the same as after its 500 takes 40 % of the time. */
const epochs = 200;

/** @param cosines of all pairs of rows, [n,n]. @returns undefined for too few rows */
export function umap(cosines: Float32Array, rows: number): UmapMap | undefined {
  const neighbours = Math.min(mostNeighbours, rows - 1);
  if (neighbours < 2) return undefined;
  let drawn = 0;
  const map = new UMAP({
    nNeighbors: neighbours,
    minDist,
    nEpochs: epochs,
    random: () => uniform(0, 'umap', drawn++),
  });
  const { images, distances } = nearest(cosines, rows, neighbours);
  map.setPrecomputedKNN(images, distances);
  // With the neighbours given it takes no more from the rows than how many they are.
  const points = map.fit(images);
  return { neighbours, minDist, points: Float64Array.from(points.flat()) };
}

/** The nearest of each row by Euclidean distance, itself the first. */
function nearest(cosines: Float32Array, rows: number, k: number) {
  const images: number[][] = [];
  const distances: number[][] = [];
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  for (let i = 0; i < rows; i += 1) {
    const row = cosines.subarray(i * rows, (i + 1) * rows);
    const others = order.filter((j) => j !== i).sort((a, b) => row[b]! - row[a]! || a - b);
    const found = [i, ...others.subarray(0, k - 1)];
    images.push(found);
    distances.push(found.map((j) => (j === i ? 0 : Math.sqrt(Math.max(0, 2 - 2 * row[j]!)))));
  }
  return { images, distances };
}
