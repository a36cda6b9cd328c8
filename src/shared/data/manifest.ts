/** manifest.json of a packed dataset: what the folder holds, with sizes and digests, and where it came from. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { SplitName } from './cifar.js';

export const manifestFile = 'manifest.json';

const packedFile = z.strictObject({
  file: z.string().regex(/^[a-z]+\.(images|labels)\.bin$/),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const packedSplit = z.strictObject({
  count: z.int().min(1),
  images: packedFile,
  labels: packedFile,
});

const schema = z.strictObject({
  format: z.literal('lockstep-dataset'),
  version: z.literal(1),
  name: z.string().min(1),
  imageShape: z.tuple([z.literal(32), z.literal(32), z.literal(3)]),
  classes: z.array(z.string().min(1)).min(2).max(256),
  splits: z.strictObject({ train: packedSplit, test: packedSplit }),
  source: z.strictObject({
    kind: z.enum(['binary', 'jpeg']),
    path: z.string(),
  }),
});

export type Manifest = z.infer<typeof schema>;
export type PackedFile = z.infer<typeof packedFile>;

/** Throws a ZodError (or a SyntaxError) for a text that is not a manifest of this version. */
export function parseManifest(text: string): Manifest {
  return schema.parse(JSON.parse(text));
}

/**
 * One digest for the content of a dataset: sha256 over class names and the files' digests. Name and source do not
 * take part, so two imports of the same images are the same dataset.
 */
export function datasetDigest(manifest: Manifest): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(manifest.classes));
  for (const split of ['train', 'test'] satisfies SplitName[]) {
    const { count, images, labels } = manifest.splits[split];
    hash.update(`\n${split} ${count} ${images.sha256} ${labels.sha256}`);
  }
  return hash.digest('hex');
}
