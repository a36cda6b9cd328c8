/** A file of weights that is open: its tensors by the file's own names, whatever its format. */
import type { Naming } from './naming.js';

export interface StoredTensor {
  /** As the file lays it out. */
  readonly shape: readonly number[];
  /** Its values as float32. @throws LockstepError WEIGHTS or CHECKPOINT when they can't be read */
  read(): Promise<Float32Array>;
}

export interface WeightFile {
  /** As the user named it. */
  readonly path: string;
  /** SHA-256 of the file, hex. */
  readonly sha256: string;
  readonly naming: Naming;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Of BatchNorm, where the file says it. */
  readonly epsilon: number | undefined;
  close(): Promise<void>;
}
