/** The GPUs of this host, and those that local workers get. */
import { execFileSync } from 'node:child_process';
import type { Device } from '../shared/engine/device.js';
import { readInstallation } from '../shared/engine/installation.js';
import { LockstepError } from '../shared/errors.js';

/**
 * A GPU for each worker, as CUDA_VISIBLE_DEVICES names it; none at all where there is none, or the engine can't use it.
 * @throws LockstepError USAGE when there are some, but fewer than workers
 */
export function gpusFor(
  workers: number,
  kind = readInstallation().kind,
  visible: () => readonly string[] = visibleGpus,
): readonly string[] {
  const gpus = kind === 'gpu' ? visible() : [];
  if (gpus.length === 0 || workers <= gpus.length) return gpus.slice(0, workers);
  throw new LockstepError('USAGE', `${workers} workers need a GPU each; this host shows ${gpus.length}.`, {
    hint: `Use --workers ${gpus.length}, or set CUDA_VISIBLE_DEVICES= to train on the CPU.`,
  });
}

/** What so many local workers compute on. @throws LockstepError USAGE as `gpusFor` */
export function deviceFor(workers: number): Device {
  return gpusFor(workers).length > 0 ? 'gpu' : 'cpu';
}

/** What is to be said where GPUs are there, and the engine can't use them. */
export function idleGpus(
  kind = readInstallation().kind,
  visible: () => readonly string[] = visibleGpus,
): string | undefined {
  const idle = kind === 'gpu' ? [] : visible();
  if (idle.length === 0) return undefined;
  return `The engine is the CPU build: ${idle.length === 1 ? 'the GPU' : `the ${idle.length} GPUs`} of this host stay idle. For them: LOCKSTEP_ENGINE=gpu npm run setup.`;
}

/** The GPUs that processes of this host may use, as CUDA_VISIBLE_DEVICES names them; empty without any. */
export function visibleGpus(environment: NodeJS.ProcessEnv = process.env): readonly string[] {
  const chosen = environment.CUDA_VISIBLE_DEVICES;
  if (chosen !== undefined) {
    const names = chosen.split(',').map((name) => name.trim());
    // As CUDA reads it: what names no device (-1, NoDevFiles) hides all that follow.
    const end = names.findIndex((name) => !/^(\d+$|GPU-|MIG-)/.test(name));
    return end === -1 ? names : names.slice(0, end);
  }
  try {
    const listed = execFileSync('nvidia-smi', ['-L'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 20_000,
    });
    return listed.split('\n').flatMap((line) => /^GPU (\d+):/.exec(line)?.[1] ?? []);
  } catch {
    return [];
  }
}
