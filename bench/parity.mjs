#!/usr/bin/env node
// Trains ResNet-50 for some steps in Lockstep and in PyTorch, from the same weights and batches, and compares every loss.
// @ts-check
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { missingProgram, peersPython } from './compare/contestants.mjs';
import { commit, machine } from './compare/machine.mjs';

/** @typedef {'softmax' | 'supcon'} Objective */

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MISSED = 1;
const FAILED = 2;
/** @type {readonly Objective[]} */
const OBJECTIVES = ['softmax', 'supcon'];
const run = promisify(execFile);

const argv = yargs(hideBin(process.argv))
  .scriptName('bench/parity.mjs')
  .usage('$0 [options]\n\nExits with 1 when a loss differs by more than the limit, with 2 when a run failed.')
  .option('objectives', {
    array: true,
    choices: OBJECTIVES,
    default: OBJECTIVES,
    describe: 'What to train by',
  })
  .option('steps', { type: 'number', default: 20, describe: 'Steps, at most one epoch of the sample' })
  .option('batch', { type: 'number', default: 64, describe: 'Images in a step' })
  .option('rate', { type: 'number', default: 0.0005, describe: 'Learning rate' })
  .option('limit', { type: 'number', default: 1e-3, describe: 'The most that a loss may differ, relatively' })
  .option('threads', { type: 'number', default: 2, describe: 'Threads of either' })
  .option('json', { type: 'boolean', default: false, describe: 'Print JSON instead of a table' })
  .example('$0 --objectives supcon --steps 5', 'five steps of the contrastive loss')
  .strict()
  .parseSync();

/** @param {Objective} objective */
function configOf(objective) {
  const contrastive = objective === 'supcon';
  return {
    name: `parity-${objective}`,
    data: {
      dataset: 'sample',
      augment: { crop: 0, flip: 'none' },
      limit: { train: argv.steps * argv.batch },
    },
    model: {
      encoder: 'resnet50',
      stem: 'cifar',
      // PyTorch's epsilon. Without zeroInit the first gradients of float32 are 3 % off those of float64, in PyTorch as
      // in Lockstep: two runs part at once.
      batchNorm: { epsilon: 1e-5, zeroInit: true },
      ...(contrastive ? { projection: { widths: [2048, 128] } } : { classifier: {} }),
    },
    batch: { microBatches: 1, microBatchSize: argv.batch },
    threads: argv.threads,
    stages: [
      {
        name: 'train',
        objective,
        ...(contrastive ? { temperature: 0.1 } : {}),
        epochs: 1,
        optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
        learningRate: { decay: 'constant', peak: argv.rate },
      },
    ],
  };
}

/**
 * What PyTorch needs to do the same: first weights, images and labels of every step, as raw little-endian files.
 * @param {string} folder
 * @param {ReturnType<typeof configOf>} value
 */
async function writeInputs(folder, value) {
  const [{ parseConfig }, { buildModel }, { initialize }, { resolveDataset }, { gather }, { Sampler }] =
    await Promise.all(
      ['config/parse', 'model/model', 'model/initialize', 'data/resolve', 'data/source', 'plan/sampler'].map(
        (name) => import(join(ROOT, 'dist', 'shared', `${name}.js`)),
      ),
    );
  const config = parseConfig(value, 'bench/parity.mjs');
  const { parameters } = buildModel(config.model);
  /** @type {{name: string, shape: number[]}[]} */
  const specs = parameters;
  const weights = specs.map((spec) => Buffer.from(initialize(spec, config.seed).buffer));
  writeFileSync(join(folder, 'weights.f32'), Buffer.concat(weights));
  const dataset = await resolveDataset(config.data.dataset);
  const sampler = new Sampler({ seed: config.seed, ...config.batch, datasetSize: argv.steps * argv.batch });
  const batches = Array.from({ length: argv.steps }, (_, step) =>
    gather(dataset, 'train', [...sampler.microBatch(0, step, 0)]),
  );
  writeFileSync(join(folder, 'images.u8'), Buffer.concat(batches.map(({ images }) => images)));
  writeFileSync(join(folder, 'labels.u8'), Buffer.concat(batches.map(({ labels }) => labels)));
  const shapes = specs.map(({ name, shape }) => ({ name, shape }));
  writeFileSync(join(folder, 'parity.json'), JSON.stringify({ ...value, parameters: shapes }));
}

/**
 * The losses of a run of `lockstep train`, one a step.
 * @param {string} folder
 * @param {ReturnType<typeof configOf>} config
 * @returns {Promise<number[]>}
 */
async function ours(folder, config) {
  const file = join(folder, 'config.yaml');
  // JSON is YAML, too.
  writeFileSync(file, JSON.stringify(config));
  const out = join(folder, 'run');
  await run(process.execPath, [
    join(ROOT, 'dist/cli/main.js'),
    'train',
    file,
    '--workers',
    '1',
    '--out',
    out,
  ]);
  const events = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  return events.map((line) => JSON.parse(line)).flatMap(({ type, loss }) => (type === 'step' ? [loss] : []));
}

/**
 * @param {string} folder
 * @returns {Promise<number[]>}
 */
async function theirs(folder) {
  const { stdout } = await run(peersPython(ROOT), [join(ROOT, 'bench', 'parity.py'), folder]);
  return JSON.parse(stdout).losses;
}

/** @param {Objective} objective */
async function compare(objective) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-parity-'));
  try {
    const config = configOf(objective);
    await writeInputs(folder, config);
    const [lockstep, pytorch] = [await ours(folder, config), await theirs(folder)];
    if (lockstep.length !== argv.steps || pytorch.length !== argv.steps) {
      throw new Error(`${lockstep.length} and ${pytorch.length} losses came of ${argv.steps} steps`);
    }
    const differences = pytorch.map((loss, i) => Math.abs((lockstep[i] ?? 0) - loss) / Math.abs(loss));
    return { objective, lockstep, pytorch, differences, worst: Math.max(...differences) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main() {
  const missing = missingProgram(ROOT, [{ program: 'python' }, { program: 'node' }]);
  if (missing !== undefined) throw new Error(missing);
  const results = [];
  for (const objective of OBJECTIVES.filter((each) => argv.objectives.includes(each))) {
    results.push(await compare(objective));
  }
  if (argv.json) {
    const { steps, batch, rate, limit } = argv;
    const report = { commit: commit(ROOT), machine: machine(), steps, batch, rate, limit, results };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    for (const { objective, lockstep, pytorch, differences, worst } of results) {
      process.stdout.write(`${objective}\nstep  Lockstep    PyTorch     relative difference\n`);
      for (const [i, difference] of differences.entries()) {
        const losses = [lockstep[i], pytorch[i]].map((loss) => loss?.toFixed(6).padEnd(10));
        process.stdout.write(
          `${String(i + 1).padStart(4)}  ${losses.join('  ')}  ${difference.toExponential(1)}\n`,
        );
      }
      process.stdout.write(`largest difference: ${worst.toExponential(1)}\n\n`);
    }
  }
  return results.every(({ worst }) => worst <= argv.limit) ? 0 : MISSED;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench/parity.mjs: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = FAILED;
}
