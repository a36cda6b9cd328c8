/** The files that TensorBoard's embedding projector reads: a point for each image, with its class and its picture. */
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LockstepError } from '../../shared/errors.js';
import { png } from './png.js';

export interface Projection {
  /** [n, width], row-major. */
  readonly points: Float32Array;
  readonly width: number;
  /** The class of each point. */
  readonly labels: readonly string[];
  /** [n, side, side, 3], uint8. */
  readonly images: Uint8Array;
  readonly side: number;
}

/**
 * Writes `projector_config.pbtxt`, `tensors.tsv`, `metadata.tsv` and `sprite.png`; what has these names is replaced.
 * @throws LockstepError RUN_FOLDER when they can't be written
 */
export async function writeProjector(folder: string, projection: Projection): Promise<void> {
  const { labels, side } = projection;
  try {
    await mkdir(folder, { recursive: true });
    await writePoints(join(folder, 'tensors.tsv'), projection);
    const metadata = labels.map((label, image) => `${label}\t${image}\n`);
    await writeFile(join(folder, 'metadata.tsv'), `label\timage\n${metadata.join('')}`);
    await writeFile(join(folder, 'sprite.png'), sprite(projection));
    await writeFile(join(folder, 'projector_config.pbtxt'), config(side));
  } catch (cause) {
    throw new LockstepError(
      'RUN_FOLDER',
      `Embeddings can't be written to ${folder}: ${(cause as Error).message}.`,
      { cause, hint: 'Give another folder.' },
    );
  }
}

/** Row by row: those of a large network are hundreds of megabytes. */
async function writePoints(path: string, projection: Projection): Promise<void> {
  await pipeline(rows(projection), createWriteStream(path));
}

function* rows({ points, width }: Projection): Generator<string> {
  for (let begin = 0; begin < points.length; begin += width) {
    // Seven figures: as many as single precision has.
    const row = Array.from(points.subarray(begin, begin + width), (value) => Number(value.toPrecision(7)));
    yield `${row.join('\t')}\n`;
  }
}

/** All images in one square, row by row. */
function sprite({ images, labels, side }: Projection): Buffer {
  const across = Math.ceil(Math.sqrt(labels.length));
  const row = across * side * 3;
  const pixels = new Uint8Array(row * across * side);
  for (let i = 0; i < labels.length; i += 1) {
    const left = (i % across) * side * 3;
    const top = Math.floor(i / across) * side;
    for (let y = 0; y < side; y += 1) {
      const from = (i * side + y) * side * 3;
      pixels.set(images.subarray(from, from + side * 3), (top + y) * row + left);
    }
  }
  return png(pixels, across * side, across * side);
}

/** ProjectorConfig, as text. */
function config(side: number): string {
  return `embeddings {
  tensor_name: "features"
  tensor_path: "tensors.tsv"
  metadata_path: "metadata.tsv"
  sprite {
    image_path: "sprite.png"
    single_image_dim: ${side}
    single_image_dim: ${side}
  }
}
`;
}
