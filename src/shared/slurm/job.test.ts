import { describe, expect, it } from 'vitest';
import { gpuOf, slurmJob } from './job.js';

const batch = {
  SLURM_JOB_ID: '17',
  SLURM_JOB_NODELIST: 'node[1-2]',
  SLURMD_NODENAME: 'node1',
  SLURM_SUBMIT_DIR: '/project/runs',
  SLURM_PROCID: '0',
  SLURM_LOCALID: '0',
};

describe('the environment of a job', () => {
  it('is none elsewhere', () => {
    expect(slurmJob({})).toBeUndefined();
  });

  it('names the nodes, and in the batch script no task', () => {
    const job = slurmJob(batch);
    expect(job).toMatchObject({ nodes: ['node1', 'node2'], node: 'node1', task: undefined });
    expect(job?.joinFile).toBe('/project/runs/.lockstep-join-17-0.json');
  });

  it('names the task that srun has started', () => {
    const task = { ...batch, SLURM_STEP_ID: '0', SLURM_PROCID: '3', SLURM_LOCALID: '1' };
    expect(slurmJob(task)?.task).toEqual({ rank: 3, localRank: 1 });
  });

  it('gives every start of a job another join file: an earlier one may have left its own', () => {
    expect(slurmJob({ ...batch, SLURM_RESTART_COUNT: '2' })?.joinFile).toMatch(/-17-2\.json$/);
  });
});

describe('the GPU of a task', () => {
  it.each([
    [0, '0', '0'],
    [1, '1', '1'],
    [1, '2,3', '3'],
    [3, '0', '0'],
    [0, '', ''],
    [1, 'MIG-a,MIG-b', 'MIG-b'],
  ])('task %i of a node, which sees %j: %j', (localRank, visible, gpu) => {
    expect(gpuOf(localRank, visible)).toBe(gpu);
  });

  it('is missing where there are more tasks than GPUs', () => {
    expect(() => gpuOf(2, '0,1')).toThrow(
      'This is task 2 of its node, counted from 0, but the job has 2 GPUs',
    );
  });
});
