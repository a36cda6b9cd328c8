/**
 * Where the views of images lie: a micro-batch of m images in v views has v·m rows, all images in view 0, then all in view
 * 1. The global batch is the micro-batches' rows one after the other.
 */

/** Which image of the global batch each of its rows shows, counted over all micro-batches. */
export function imagesOfRows(microBatches: number, images: number, views: number): Int32Array {
  const rows = images * views;
  return Int32Array.from({ length: microBatches * rows }, (_, row) => {
    const microBatch = Math.floor(row / rows);
    return microBatch * images + (row % images);
  });
}
