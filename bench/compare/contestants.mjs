// Who is measured: the command of every contestant, and how its JSON report is read.
// @ts-check
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What one run of a contestant gave. `ms` is the time of a step or of an all-reduce.
 * @typedef {{ ms: number, imagesPerSec?: number, peakRssBytes?: number, startToFirstStepMs?: number }} Figures
 */
/**
 * @typedef {object} Contestant
 * @property {string} id
 * @property {string} name as it stands in the table
 * @property {'node' | 'python'} program
 * @property {readonly string[]} args
 * @property {string} [turns] those with the same name step in turn
 * @property {(report: unknown) => Figures} read
 */
/** @typedef {'float32' | 'bfloat16'} Precision */
/** @typedef {{ steps: number, warmup: number, repeats: number }} Lengths */

export const PRECISIONS = /** @type {const} */ (['float32', 'bfloat16']);
/** Images of a step, over all workers. */
const BATCH = 32;
/** With the ImageNet stem, whose steps are far smaller: a worker's half of the Keras example's batch. */
const STEM_BATCH = 132;
const SIZE_MB = 94;

/**
 * @param {string} root the project's folder
 * @param {Lengths} lengths
 * @returns {Contestant[]}
 */
export function contestants(root, { steps, warmup, repeats }) {
  const ours = join(root, 'dist', 'cli', 'main.js');
  const script = (/** @type {string} */ name) => join(root, 'bench', name);
  const length = ['--steps', `${steps}`, '--warmup', `${warmup}`];

  /** @type {Contestant[]} */
  const all = [];
  for (const precision of PRECISIONS) {
    const step = ['--precision', precision, ...length];
    const oneWorker = [...step, '--threads', '2', '--batch', `${BATCH}`];
    const twoWorkers = [...step, '--threads', '1', '--workers', '2'];
    const bench = ['bench', 'step', '--json', '--encoder', 'resnet50'];
    const network = [...bench, '--stem', 'cifar'];
    const alone = ['--workers', '1', '--exchange', 'none'];
    const imagenet = [...step, '--threads', '2', '--batch', `${STEM_BATCH}`, '--stem', 'imagenet'];
    all.push(
      {
        id: `ours-${precision}`,
        name: 'Lockstep',
        program: 'node',
        args: [ours, ...network, ...oneWorker, ...alone],
        turns: `step-${precision}`,
        read: readStep,
      },
      {
        id: `torch-${precision}`,
        name: 'PyTorch, channels_last',
        program: 'python',
        args: [script('torch_step.py'), ...oneWorker],
        turns: `step-${precision}`,
        read: readStep,
      },
      {
        id: `tf-${precision}`,
        name: 'TensorFlow, tf.function',
        program: 'python',
        args: [script('tf_step.py'), ...oneWorker],
        turns: `step-${precision}`,
        read: readStep,
      },
      {
        id: `ddp-${precision}`,
        name: 'PyTorch DDP, gloo',
        program: 'python',
        args: [script('torch_ddp.py'), ...twoWorkers, '--batch', `${BATCH}`],
        turns: `workers-${precision}`,
        read: readStep,
      },
      {
        id: `ours-imagenet-${precision}`,
        name: 'Lockstep',
        program: 'node',
        args: [ours, ...bench, ...imagenet, ...alone],
        turns: `stem-${precision}`,
        read: readStep,
      },
      {
        id: `torch-imagenet-${precision}`,
        name: 'PyTorch, channels_last',
        program: 'python',
        args: [script('torch_step.py'), ...imagenet],
        turns: `stem-${precision}`,
        read: readStep,
      },
      {
        id: `tf-imagenet-${precision}`,
        name: 'TensorFlow, tf.function',
        program: 'python',
        args: [script('tf_step.py'), ...imagenet],
        turns: `stem-${precision}`,
        read: readStep,
      },
    );
    for (const [exchange, name] of /** @type {const} */ ([
      ['none', 'Lockstep, no exchange'],
      ['shm', 'Lockstep, payload in shared memory'],
      ['tcp', 'Lockstep, payload over TCP'],
    ])) {
      all.push({
        id: `${exchange}-${precision}`,
        name,
        program: 'node',
        // Ours counts the images of each worker.
        args: [ours, ...network, ...twoWorkers, '--batch', `${BATCH / 2}`, '--exchange', exchange],
        turns: `workers-${precision}`,
        read: readStep,
      });
    }
  }

  const reduction = ['--size-mb', `${SIZE_MB}`, '--workers', '2', '--repeats', `${repeats}`];
  for (const [path, name] of /** @type {const} */ ([
    ['shm', 'Lockstep, shared memory'],
    ['tcp', 'Lockstep, TCP'],
  ])) {
    all.push({
      id: `allreduce-${path}`,
      name,
      program: 'node',
      args: [ours, 'bench', 'allreduce', '--json', ...reduction, '--path', path],
      read: readAllReduce,
    });
  }
  all.push({
    id: 'allreduce-gloo',
    name: 'gloo (the faster of one tensor and 25 MB buckets)',
    program: 'python',
    args: [script('gloo_allreduce.py'), ...reduction],
    read: readGloo,
  });
  return all;
}

/**
 * @param {string} root
 * @returns {string} the Python that has the peers
 */
export function peersPython(root) {
  return join(process.env.LOCKSTEP_PEERS ?? join(root, 'bench', '.venv'), 'bin', 'python');
}

/**
 * @param {string} root
 * @param {readonly Pick<Contestant, 'program'>[]} chosen
 * @returns {string | undefined} what has to be done before these can run
 */
export function missingProgram(root, chosen) {
  const has = (/** @type {string} */ program) => chosen.some((contestant) => contestant.program === program);
  if (has('node') && !existsSync(join(root, 'dist', 'cli', 'main.js'))) {
    return 'dist/cli/main.js is missing: run `npm run setup` first';
  }
  const python = peersPython(root);
  if (has('python') && !existsSync(python)) {
    return `${python} is missing: run bench/peers.sh, or set LOCKSTEP_PEERS to a virtual environment that has the peers`;
  }
  return undefined;
}

/**
 * @param {unknown} report of a program that measures steps
 * @returns {Figures}
 */
export function readStep(report) {
  return {
    ms: number(report, ['msPerStep', 'median']),
    imagesPerSec: number(report, ['imagesPerSec', 'median']),
    peakRssBytes: number(report, ['peakRssBytes']),
    startToFirstStepMs: number(report, ['startToFirstStepMs']),
  };
}

/**
 * @param {unknown} line what a contestant prints after a step that was its turn
 * @returns {Figures}
 */
export function readTurn(line) {
  return { ms: number(line, ['ms']), imagesPerSec: number(line, ['imagesPerSec']) };
}

/** @type {(report: unknown) => Figures} */
function readAllReduce(report) {
  return { ms: number(report, ['results', '0', 'ms', 'median']) };
}

/** @type {(report: unknown) => Figures} */
function readGloo(report) {
  const ways = ['one', 'buckets'].map((way) => number(report, ['paths', way, 'ms', 'median']));
  return { ms: Math.min(...ways) };
}

/** @type {(report: unknown, path: readonly string[]) => unknown} */
function at(report, path) {
  let value = report;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !(key in value)) {
      throw new Error(`the report has no ${path.join('.')}`);
    }
    value = /** @type {Record<string, unknown>} */ (value)[key];
  }
  return value;
}

/** @type {(report: unknown, path: readonly string[]) => number} */
function number(report, path) {
  const value = at(report, path);
  if (typeof value !== 'number' || !(value > 0)) {
    throw new Error(`${path.join('.')} in the report is ${JSON.stringify(value)}, not a positive number`);
  }
  return value;
}
