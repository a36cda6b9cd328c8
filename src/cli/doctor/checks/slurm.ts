/** What Slurm gives this process, and the traps that jobs fall into. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { about, type Finding } from '../finding.js';

const { ok, warning, unless } = about('slurm');

type Environment = Readonly<NodeJS.ProcessEnv>;

const squeueLimitMs = 5_000;
/** Saving and requeueing take a while: docs of the clusters ask for tests of at least so long. */
const shortSeconds = 300;
/** A job that requeues itself needs a cap; the job script's is 20. */
const manyRestarts = 20;

/** Seconds that are left to the job, from its variables or from one call of squeue. */
export async function secondsLeft(env: Environment, now = Date.now()): Promise<number | undefined> {
  if (env.SLURM_JOB_ID === undefined) return undefined;
  const end = Number(env.SLURM_JOB_END_TIME);
  if (end > 0) return end - now / 1000;
  try {
    const args = ['-h', '-j', env.SLURM_JOB_ID, '-o', '%L'];
    const { stdout } = await promisify(execFile)('squeue', args, { timeout: squeueLimitMs });
    return parseDuration(stdout.trim());
  } catch {
    return undefined;
  }
}

/** Slurm's [days-][hours:]minutes:seconds. */
export function parseDuration(text: string): number | undefined {
  const [, days = '0', hours = '0', minutes, seconds] =
    /^(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)$/.exec(text) ?? [];
  if (minutes === undefined) return undefined;
  return ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
}

/** @param cores that this process may run on */
export function slurmFindings(env: Environment, cores: number, left: number | undefined): Finding[] {
  const job = env.SLURM_JOB_ID;
  if (job === undefined) return [];
  const inTask = env.SLURM_STEP_ID !== undefined || env.SLURM_STEPID !== undefined;
  const count = (name: string) => (env[name] === undefined ? null : Number(env[name]));
  const facts = {
    job,
    nodes: count('SLURM_JOB_NUM_NODES') ?? count('SLURM_NNODES'),
    tasks: count('SLURM_NTASKS'),
    tasksPerNode: env.SLURM_NTASKS_PER_NODE ?? null,
    cpusPerTask: count('SLURM_CPUS_PER_TASK'),
    gpusOnNode: count('SLURM_GPUS_ON_NODE'),
    node: env.SLURMD_NODENAME ?? null,
    task: count('SLURM_PROCID'),
    localTask: count('SLURM_LOCALID'),
  };
  const place = inTask ? `task ${facts.task} on ${facts.node}` : 'in the batch shell, or in salloc';
  const shape = [
    facts.nodes !== null && `${facts.nodes} nodes`,
    facts.tasks !== null && `${facts.tasks} tasks`,
    facts.cpusPerTask !== null && `${facts.cpusPerTask} cores a task`,
    facts.gpusOnNode !== null && `${facts.gpusOnNode} GPUs on this node`,
  ].filter((part) => part !== false);
  return [
    ok('job', [`${job}, ${place}`, ...shape].join(', '), facts),
    ...(left === undefined ? [] : [timeFinding(left)]),
    restartsFinding(count('SLURM_RESTART_COUNT') ?? 0),
    unless(
      env.SLURM_TMPDIR === undefined,
      'SLURM_TMPDIR',
      env.SLURM_TMPDIR ?? 'unset',
      'This cluster names no node-local disk: keep the data in LOCKSTEP_CACHE on one, or it is read over the network. Checkpoints do not belong there.',
    ),
    ...(inTask ? taskFindings(env, cores) : []),
  ];
}

function timeFinding(secondsLeft: number): Finding {
  const minutes = Math.floor(secondsLeft / 60);
  return unless(
    secondsLeft < shortSeconds,
    'time left',
    minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`,
    'The job ends soon. A run saves at --signal=B:USR2@S: S must be less than the time limit, or the signal comes at once.',
    { secondsLeft },
  );
}

function restartsFinding(restarts: number): Finding {
  return unless(
    restarts >= manyRestarts,
    'requeued',
    `${restarts} times`,
    'A job that requeues itself so often may never end: look at its log.',
    { restarts },
  );
}

/** The traps of tasks that srun starts. */
function taskFindings(env: Environment, cores: number): Finding[] {
  const asked = Number(env.SLURM_CPUS_PER_TASK ?? 0);
  const visible = (env.CUDA_VISIBLE_DEVICES ?? '').split(',').filter((entry) => entry !== '').length;
  const onNode = Number(env.SLURM_GPUS_ON_NODE ?? 0);
  const perNode = Number.parseInt(env.SLURM_NTASKS_PER_NODE ?? env.SLURM_TASKS_PER_NODE ?? '1', 10);
  const findings = [
    unless(
      cores < asked,
      'cores of the task',
      `${cores}${asked > 0 ? `, ${asked} asked for` : ''}`,
      'srun does not take over --cpus-per-task of sbatch: start it as `srun --cpus-per-task=$SLURM_CPUS_PER_TASK`.',
      { cores, asked },
    ),
  ];
  if (onNode === 0) return findings;
  if (visible === 0) {
    findings.push(
      warning(
        'GPUs of the task',
        'none',
        'Start it as `srun --gpu-bind=per_task:1`, without --gpus-per-task, which overrides --gpus-per-node.',
        { visible, onNode },
      ),
    );
  } else {
    findings.push(
      unless(
        visible > 1 && visible < perNode,
        'GPUs of the task',
        `${visible} visible, ${perNode} tasks a node`,
        'Each worker takes a GPU of its own: ask for as many as tasks, with --ntasks-per-node and --gpus-per-node.',
        { visible, onNode, perNode },
      ),
    );
  }
  return findings;
}
