/** The Slurm job that this process is part of, as its environment tells. */
import { join } from 'node:path';
import { LockstepError } from '../errors.js';
import { expandNodeList } from './node-list.js';

export interface SlurmJob {
  readonly nodes: readonly string[];
  /** The node that this process runs on. */
  readonly node: string | undefined;
  /** Set for a process that srun has started: which of its tasks it is, and which of those on this node. */
  readonly task: { readonly rank: number; readonly localRank: number } | undefined;
  /** Where the job's coordinator leaves its join file: all nodes see it, and each start of the job has one of its own. */
  readonly joinFile: string;
}

/** Undefined outside of a job. */
export function slurmJob(environment: NodeJS.ProcessEnv = process.env): SlurmJob | undefined {
  const {
    SLURM_JOB_ID: id,
    SLURM_JOB_NODELIST: nodes = '',
    SLURMD_NODENAME: node,
    SLURM_SUBMIT_DIR: folder = '.',
    // A job that Slurm has put back into the queue keeps its number.
    SLURM_RESTART_COUNT: restart = '0',
  } = environment;
  if (id === undefined) return undefined;
  return {
    nodes: expandNodeList(nodes),
    node,
    task: taskOf(environment),
    joinFile: join(folder, `.lockstep-join-${id}-${restart}.json`),
  };
}

/** A batch script has SLURM_PROCID, too, but it is no step. */
function taskOf({ SLURM_STEP_ID, SLURM_PROCID, SLURM_LOCALID }: NodeJS.ProcessEnv): SlurmJob['task'] {
  if (SLURM_STEP_ID === undefined || SLURM_PROCID === undefined || SLURM_LOCALID === undefined) {
    return undefined;
  }
  return { rank: Number(SLURM_PROCID), localRank: Number(SLURM_LOCALID) };
}

/**
 * The GPU of a task, as CUDA_VISIBLE_DEVICES names it. By default every task sees all GPUs that its job has on the node;
 * where `srun --gpu-bind` gave it one, that is it.
 * @throws LockstepError USAGE when the node has fewer GPUs than tasks
 */
export function gpuOf(localRank: number, visible: string): string {
  const gpus = visible.split(',');
  if (gpus.length === 1) return visible;
  const gpu = gpus[localRank];
  if (gpu !== undefined) return gpu;
  throw new LockstepError(
    'USAGE',
    `This is task ${localRank} of its node, counted from 0, but the job has ${gpus.length} GPUs there.`,
    { hint: 'Ask for as many GPUs as tasks: --ntasks-per-node and --gpus-per-node.' },
  );
}
