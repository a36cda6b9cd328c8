/**
 * How close rows of one class lie, and how evenly all of them spread over the sphere: alignment and uniformity as Wang and
 * Isola define them ("Understanding Contrastive Representation Learning through Alignment and Uniformity on the
 * Hypersphere", ICML 2020, with α = 2 and t = 2):
 *   alignment  = mean over positive pairs of ‖u − v‖²
 *   uniformity = ln mean over all pairs of exp(−2·‖u − v‖²)
 * Their positive pairs are views of one image. Here they are images of one class, so that runs that never saw two views
 * have the number, too.
 */

export interface AlignmentAndUniformity {
  /** 0: all images of a class in one point; null where no two are of one class. */
  readonly alignment: number | null;
  /** From −4 (any two as far apart as can be) to 0 (all in one point); null for fewer than two. */
  readonly uniformity: number | null;
}

/** @param cosines of all pairs, [n,n] */
export function alignmentAndUniformity(cosines: Float32Array, labels: Uint8Array): AlignmentAndUniformity {
  const rows = labels.length;
  let [positives, distances, pairs, potentials] = [0, 0, 0, 0];
  for (let i = 0; i < rows; i += 1) {
    for (let j = i + 1; j < rows; j += 1) {
      // Of rows of length 1 the squared distance; rounding may take it below zero.
      const distance = Math.max(0, 2 - 2 * cosines[i * rows + j]!);
      pairs += 1;
      potentials += Math.exp(-2 * distance);
      if (labels[i] !== labels[j]) continue;
      positives += 1;
      distances += distance;
    }
  }
  return {
    alignment: positives === 0 ? null : distances / positives,
    uniformity: pairs === 0 ? null : Math.log(potentials / pairs),
  };
}
