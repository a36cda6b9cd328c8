/** What a step computes one gradient of. */
import type { Parameters } from '../shared/augment/parameters.js';

/** A micro-batch, ready to be fed: a row for each of its images, or two where there are two views (see plan/views.ts). */
export interface MicroBatch {
  /** uint8, [rows,32,32,3]; empty where there are features. */
  readonly images: Uint8Array;
  /** float32, [rows,f]: what the frozen encoder makes of the images, where the stage caches it. */
  readonly features?: Float32Array;
  /** [rows]. */
  readonly labels: Int32Array;
  /** int32 [2], keyed by seed, step and micro-batch. */
  readonly dropoutSeed: Int32Array;
  /** What the graph augments by; nothing where whole pixels are moved at most. */
  readonly augmentation?: Parameters;
}
