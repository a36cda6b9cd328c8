/**
 * What the nearest training images say: a k-nearest-neighbour classifier on features, by cosine. Weighted by exp(s/T) as
 * in Wu et al. ("Unsupervised Feature Learning via Non-Parametric Instance Discrimination", CVPR 2018), and plain.
 */

/** As Wu et al. have them. */
export const knnNeighbours = 200;
export const knnTemperature = 0.07;

/** The k nearest of each image, best first: cosines [images,k], and which training images they are. */
export interface Neighbours {
  readonly k: number;
  readonly similarities: Float32Array;
  readonly images: Int32Array;
}

/** Lists of neighbours of the same images, from several workers. `image` below 0 is none. */
export function merge(lists: readonly Neighbours[], rows: number, k: number): Neighbours {
  const similarities = new Float32Array(rows * k);
  const images = new Int32Array(rows * k);
  for (let row = 0; row < rows; row += 1) {
    const heads = lists.map((list) => row * list.k);
    for (let place = 0; place < k; place += 1) {
      let from = -1;
      for (const [i, list] of lists.entries()) {
        const head = heads[i]!;
        if (head === (row + 1) * list.k || list.images[head]! < 0) continue;
        if (from < 0 || before(list, head, lists[from]!, heads[from]!)) from = i;
      }
      // The caller asks for no more than there are.
      if (from < 0) throw new RangeError(`There are no ${k} neighbours`);
      similarities[row * k + place] = lists[from]!.similarities[heads[from]!]!;
      images[row * k + place] = lists[from]!.images[heads[from]!]!;
      heads[from]! += 1;
    }
  }
  return { k, similarities, images };
}

/** Nearer, or as near and an earlier image: an order that does not depend on who has which. */
function before(a: Neighbours, i: number, b: Neighbours, j: number): boolean {
  const difference = a.similarities[i]! - b.similarities[j]!;
  return difference > 0 || (difference === 0 && a.images[i]! < b.images[j]!);
}

/**
 * The class with most votes, for each image; of equal ones the first.
 * @param temperature of the weights exp(s/T); null for one vote each
 */
export function vote(
  { k, similarities, images }: Neighbours,
  trainLabels: Uint8Array,
  classes: number,
  temperature: number | null,
): Uint8Array {
  const predicted = new Uint8Array(images.length / k);
  for (let row = 0; row < predicted.length; row += 1) {
    const votes = new Float64Array(classes);
    for (let i = row * k; i < (row + 1) * k; i += 1) {
      votes[trainLabels[images[i]!]!]! += temperature === null ? 1 : Math.exp(similarities[i]! / temperature);
    }
    let best = 0;
    for (let c = 1; c < classes; c += 1) if (votes[c]! > votes[best]!) best = c;
    predicted[row] = best;
  }
  return predicted;
}
