/**
 * TensorFlow operations of our own, for CPUs (docs/design.md says why): `LockstepBatchNorm` with its gradient, and
 * `LockstepMomentum`. Importing this makes them known to TensorFlow; it fails with LockstepError ENGINE where they are not
 * compiled, or TensorFlow lacks what they need.
 */
import { availableParallelism } from 'node:os';
import type { KoffiFunc } from 'koffi';
import { readInstallation } from '../engine/installation.js';
import { LockstepError } from '../errors.js';
import { nativeLibrary } from '../native-library.js';
// The library must be loaded: its registry is what they are entered into.
import '../engine/tensorflow.js';

type Register = KoffiFunc<(library: string, threads: number) => string | null>;

const register = nativeLibrary(import.meta.url, 'The library of our own TensorFlow operations').func(
  'const char *lockstep_register_kernels(const char *library, uint32_t threads)',
) as unknown as Register;

// As many threads as TensorFlow gives one operation.
const threads = Number(process.env.TF_NUM_INTRAOP_THREADS) || availableParallelism();
const { libraryPath, version } = readInstallation();
const problem = register(libraryPath, threads);
if (problem !== null) {
  throw new LockstepError('ENGINE', `TensorFlow ${version} does not take our own operations: ${problem}.`, {
    hint: 'Use the engine that `npm run setup` installs, or another that is not older.',
  });
}
