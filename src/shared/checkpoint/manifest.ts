/** A checkpoint's manifest: where the run stood, what it ran, and the digests that prove its files. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { TensorDigest } from './tensor-file.js';

export const MANIFEST_FORMAT = 1;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const fileSchema = z.strictObject({ bytes: z.int().positive(), sha256 });

/** What the writer of a checkpoint says about it. */
export const standingSchema = z.strictObject({
  /** Commits so far, over all stages; also the name of the checkpoint's folder. */
  step: z.int().nonnegative(),
  /** Whole epochs of the stage that are done. */
  epoch: z.int().nonnegative(),
  /** The stage's name. */
  stage: z.string(),
  /** What else resuming needs, by name: the stage's index, samples seen in it, steps into the epoch. */
  position: z.record(z.string(), z.int().nonnegative()),
  configDigest: z.string(),
  /** The resolved configuration. */
  config: z.unknown(),
});
export type Standing = z.infer<typeof standingSchema>;

export const manifestSchema = z.strictObject({
  format: z.literal(MANIFEST_FORMAT),
  ...standingSchema.shape,
  files: z.strictObject({ 'weights.safetensors': fileSchema, 'optimizer.safetensors': fileSchema }),
  /** Of names, shapes and bytes of the weights, whatever their order in the file: see {@link digestWeights}. */
  weightsDigest: sha256,
});
export type Manifest = z.infer<typeof manifestSchema>;

/**
 * One SHA-256 (hex) for a set of weights: over one line `name dtype shape sha256` for each tensor, sorted by name.
 * Two sets have the same digest when they hold the same tensors, wherever they lie.
 */
export function digestWeights(tensors: readonly TensorDigest[]): string {
  const lines = tensors.map(({ name, dtype, shape, sha256 }) => JSON.stringify([name, dtype, shape, sha256]));
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
}
