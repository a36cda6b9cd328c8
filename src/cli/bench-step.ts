/** `lockstep bench step`: how long a whole training step takes, on one worker or several, with or without exchange. */
import { fileURLToPath } from 'node:url';
import { CoreTurns } from '../coordinator/core-turns.js';
import { readInstallation } from '../shared/engine/installation.js';
import { threadEnvironment } from '../shared/engine/threads.js';
import type { Peer } from '../shared/protocol/messages.js';
import { newKeyPair } from '../shared/security/join.js';
import { medianOf } from '../shared/statistics/estimate.js';
import type { StepBenchReply, StepBenchRequest } from '../worker/bench-step-worker.js';
import { BenchProcess } from './bench-process.js';
import { Turns } from './bench-turns.js';
import type { CommandBody } from './command.js';
import { print, runCommand } from './output.js';
import { wholeNumber } from './whole-number.js';

interface Arguments {
  readonly encoder: string;
  readonly stem: string;
  readonly batch: number;
  readonly threads: number;
  readonly precision: string;
  readonly steps: number;
  readonly warmup: number;
  readonly workers: number;
  readonly exchange: 'shm' | 'tcp' | 'none';
  readonly guarded: boolean;
  readonly 'core-turns': boolean;
  readonly turns: boolean;
  readonly json: boolean;
}

type StepOptions = Omit<Arguments, 'json' | 'turns' | 'core-turns'> & { readonly coreTurns: boolean };

interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface StepTimesReport {
  readonly arguments: StepOptions;
  /** Of all workers together. */
  readonly imagesPerSec: Spread;
  readonly msPerStep: Spread;
  /** Waiting for other workers while nothing was computed, in ms, the slowest worker's. */
  readonly exposedMs: Spread;
  /** Of the largest process. */
  readonly peakRssBytes: number;
  /** From the start of the command to the end of the first step. */
  readonly startToFirstStepMs: number;
}

const script = fileURLToPath(new URL('../worker/bench-step-worker.js', import.meta.url));
type StepProcess = BenchProcess<StepBenchRequest, StepBenchReply>;

export const benchStepCommand: CommandBody<Arguments> = {
  builder: (yargs) =>
    yargs
      .option('encoder', {
        choices: ['resnet50', 'resnet18', 'resnet50-keras', 'resnet50v2', 'airbench', 'tiny'],
        default: 'resnet50',
        describe: 'Network',
      })
      .option('stem', { choices: ['cifar', 'imagenet'], default: 'cifar', describe: 'Its stem' })
      .option('batch', { type: 'number', default: 32, describe: 'Images a worker and step' })
      .option('threads', { type: 'number', default: 2, describe: 'TensorFlow threads a worker' })
      .option('precision', {
        choices: ['float32', 'bfloat16', 'float16'],
        default: 'float32',
        describe: 'Precision of products',
      })
      .option('steps', { type: 'number', default: 8, describe: 'Steps that count' })
      .option('warmup', { type: 'number', default: 3, describe: 'Steps before, which do not' })
      .option('workers', { type: 'number', default: 1, describe: 'Worker processes' })
      .option('exchange', {
        choices: ['shm', 'tcp', 'none'] as const,
        default: 'shm' as const,
        describe: 'How gradients travel; none: every worker is alone',
      })
      .option('guarded', {
        type: 'boolean',
        default: true,
        describe: 'Fingerprints, and every step waits for a word; --no-guarded tells what that costs',
      })
      .option('core-turns', {
        type: 'boolean',
        default: true,
        describe:
          'Workers that exchange take turns at the cores, as in a run; --no-core-turns tells what that gives',
      })
      .option('turns', {
        type: 'boolean',
        default: false,
        describe: 'Wait for a line on stdin before each step that counts, and print one of JSON after it',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print JSON on stdout' })
      .check(({ batch, threads, steps, warmup, workers }) => {
        for (const [option, value] of Object.entries({ batch, threads, steps, workers }))
          wholeNumber(`--${option}`, value);
        wholeNumber('--warmup', warmup, 0);
        return true;
      })
      .example('$0 bench step --workers 2 --threads 1 --batch 16 --json', ''),
  handler: ({ json, ...args }) =>
    runCommand(json, async () => {
      const { encoder, stem, batch, threads, precision, steps, warmup, workers, exchange, guarded } = args;
      const coreTurns = args['core-turns'];
      const model = { encoder, stem, batch, threads, precision };
      const options = { ...model, steps, warmup, workers, exchange, guarded, coreTurns };
      const report = await measureStep(options, args.turns ? new Turns() : undefined);
      if (json) print(report);
      else {
        const { imagesPerSec, msPerStep } = report;
        process.stdout.write(
          `${imagesPerSec.median.toFixed(1)} images/s (${imagesPerSec.min.toFixed(1)}–${imagesPerSec.max.toFixed(1)}), ${msPerStep.median.toFixed(0)} ms a step\n`,
        );
      }
    }),
};

/**
 * Runs the benchmark in processes of its own, which are gone when it returns.
 *
 * @param turns says when each step that counts begins
 */
export async function measureStep(options: StepOptions, turns?: Turns): Promise<StepTimesReport> {
  const protection = { encrypted: false, token: newKeyPair() };
  const processes = Array.from(
    { length: options.workers },
    (): StepProcess => new BenchProcess(script, protection, threadEnvironment(options.threads)),
  );
  try {
    const bound = await Promise.all(processes.map((process) => process.reply('bound')));
    const everybody = bound.map(({ endpoint, machine }, rank): Peer => {
      return { rank, host: 'localhost', endpoint, machine: options.exchange === 'shm' ? machine : '' };
    });
    const alone = options.exchange === 'none';
    await Promise.all(
      processes.map((process, rank) => {
        const peers = alone ? [{ ...everybody[rank]!, rank: 0 }] : everybody;
        const setup = { config: configOf(options, peers.length), rank: alone ? 0 : rank, peers };
        return process.ask({ type: 'setup', setup }, 'ready');
      }),
    );
    const { steps, firstStepAt, peakRssBytes } = await runSteps(processes, options, turns);
    return {
      arguments: options,
      imagesPerSec: spread(steps.map(({ imagesPerSec }) => imagesPerSec)),
      msPerStep: spread(steps.map(({ ms }) => ms)),
      exposedMs: spread(steps.map(({ exposedMs }) => exposedMs)),
      peakRssBytes,
      startToFirstStepMs: firstStepAt,
    };
  } finally {
    for (const process of processes) process.end();
  }
}

interface Step {
  readonly ms: number;
  readonly imagesPerSec: number;
  readonly exposedMs: number;
}

async function runSteps(
  processes: readonly StepProcess[],
  { batch, exchange, threads, warmup, steps: count, guarded, coreTurns }: StepOptions,
  turns: Turns | undefined,
) {
  // Who waits for nobody gains nothing.
  const turning = coreTurns && exchange !== 'none' && readInstallation().kind === 'cpu';
  const turnOptions = {
    workers: turning ? processes.length : 0,
    threads,
    pids: () => processes.map(({ pid }) => pid),
  };
  const take = async (step: number, howMany: number) => {
    const go: StepBenchRequest = { type: 'go', step, count: howMany, guarded };
    // Not between the steps, where others are measured.
    const taking = new CoreTurns(turnOptions);
    try {
      return await Promise.all(
        processes.map(async (process) => {
          const from = performance.now();
          const done = await process.ask(go, 'done');
          // Of a guarded step the word between two of them is a part, as the coordinator's commit is in a run.
          return { ...done, ms: guarded ? [performance.now() - from] : done.ms };
        }),
      );
    } finally {
      taking.end();
    }
  };
  let firstStepAt = 0;
  for (let step = 0; step < warmup; step += 1) {
    await take(step, 1);
    // Counted from the start of this process, which starts the others.
    firstStepAt ||= performance.now();
  }
  turns?.ready();
  const steps: Step[] = [];
  let peakRssBytes = 0;
  const rounds = guarded || turns !== undefined ? count : 1;
  for (let round = 0; round < rounds; round += 1) {
    await turns?.begin();
    const done = await take(warmup + round, count / rounds);
    for (let i = 0; i < count / rounds; i += 1) {
      const times = done.map(({ ms }) => ms[i]!);
      const ms = Math.max(...times);
      // A step that workers take together is over when its slowest is; who exchanges nothing waits for nobody.
      const rates = times.map((own) => (batch / (exchange === 'none' ? own : ms)) * 1000);
      const imagesPerSec = rates.reduce((sum, rate) => sum + rate, 0);
      steps.push({ ms, imagesPerSec, exposedMs: Math.max(...done.map(({ exposedMs }) => exposedMs[i]!)) });
      turns?.end({ ms, imagesPerSec });
    }
    peakRssBytes = Math.max(...done.map((reply) => reply.peakRssBytes));
    firstStepAt ||= performance.now();
  }
  return { steps, firstStepAt, peakRssBytes };
}

function configOf({ encoder, stem, batch, threads, precision }: StepOptions, worldSize: number) {
  return {
    name: 'bench',
    data: { dataset: 'sample' },
    model: { encoder, stem, classifier: {} },
    batch: { microBatches: worldSize, microBatchSize: batch },
    precision,
    threads,
    stages: [
      {
        name: 'train',
        objective: 'softmax',
        epochs: 1,
        optimizer: { kind: 'sgd', weightDecay: 5e-4 },
        learningRate: { decay: 'constant', peak: 0.01 },
      },
    ],
  };
}

function spread(values: readonly number[]): Spread {
  return { median: medianOf(values), min: Math.min(...values), max: Math.max(...values) };
}
