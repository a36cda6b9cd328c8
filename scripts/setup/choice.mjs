// Which TensorFlow to run on: an installation that is there already, the CPU wheel, or the CUDA wheels.
// @ts-check
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { findProgram } from './command.mjs';
import { SetupFailure } from './failure.mjs';

/** @typedef {'cpu' | 'gpu'} Kind */
/** @typedef {{source: 'wheel', kind: Kind} | {source: 'directory', kind: Kind, directory: string}} Choice */

/**
 * @param {NodeJS.ProcessEnv} env LOCKSTEP_ENGINE and LIBTENSORFLOW_DIR choose
 * @param {Choice | undefined} installed what set-up installed before
 * @param {boolean} hasDriver whether this machine has a GPU driver
 * @returns {Choice}
 * @throws {SetupFailure} on a value of LOCKSTEP_ENGINE that means nothing
 */
export function chooseEngine(env, installed, hasDriver) {
  const named = env.LOCKSTEP_ENGINE || undefined;
  if (named !== undefined && named !== 'cpu' && named !== 'gpu') {
    throw new SetupFailure(
      `LOCKSTEP_ENGINE is ${JSON.stringify(named)}.`,
      'Set it to cpu or gpu, or unset it to let the GPU driver decide.',
    );
  }
  const directory = env.LIBTENSORFLOW_DIR;
  const kind = named ?? (hasDriver ? 'gpu' : 'cpu');
  if (directory) return { source: 'directory', kind, directory: resolve(directory) };
  if (named) return { source: 'wheel', kind: named };
  // A job must not download an engine because its shell lacks a variable that the login shell had.
  if (installed?.source === 'directory') return installed;
  // The CUDA build runs on machines without a GPU too, so a login node keeps what the GPU node installed.
  return { source: 'wheel', kind: installed?.kind === 'gpu' ? 'gpu' : kind };
}

/**
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string} [driverFolder]
 * @returns {boolean}
 */
export function hasGpuDriver(env = process.env, driverFolder = '/proc/driver/nvidia') {
  return existsSync(driverFolder) || findProgram('nvidia-smi', env) !== undefined;
}
