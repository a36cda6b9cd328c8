/** `lockstep scale`: how training gets faster with the number of workers, and where the rest of the time goes. */
import { join } from 'node:path';
import type { CommandModule } from 'yargs';
import { defaultRunName } from '../coordinator/run-folder.js';
import { forecast } from '../coordinator/scale/forecast.js';
import { describeForecast, forecastDocument } from '../coordinator/scale/forecast-text.js';
import { type Mode, modes } from '../coordinator/scale/plan.js';
import { resultsOf, type ScaleResult } from '../coordinator/scale/results.js';
import { runStudy } from '../coordinator/scale/run-study.js';
import { studyFileAt } from '../coordinator/scale/study.js';
import { splitParts } from '../coordinator/scale/time-split.js';
import { loadConfig } from '../shared/config/load.js';
import { LockstepError } from '../shared/errors.js';
import type { SimulatedCompute } from '../shared/simulation/compute.js';
import { parseLink } from '../shared/simulation/link.js';
import type { Estimate } from '../shared/statistics/estimate.js';
import { print, runCommand } from './output.js';
import { stopBySignal } from './signals.js';
import { table } from './table.js';
import { configArguments, wholeWorkers } from './train.js';

interface ScaleArguments {
  readonly config: string;
  readonly set: readonly string[];
  readonly workers: string;
  readonly mode: Mode;
  readonly repeats: number;
  readonly warmup: number;
  readonly steps: number;
  readonly out: string | undefined;
  readonly network: string;
  readonly 'simulate-compute': number | undefined;
  readonly 'simulate-slow': string | undefined;
  readonly 'simulate-link': string | undefined;
  readonly json: boolean;
}

export const scaleCommand: CommandModule<object, ScaleArguments> = {
  command: 'scale <config>',
  describe: 'Study how training scales with the number of local workers',
  builder: (yargs) =>
    configArguments(yargs)
      .option('workers', { type: 'string', default: '1,2', describe: 'Numbers of workers' })
      .option('mode', {
        choices: modes,
        default: 'strong' as const,
        describe: "strong: the config's global batch, shared; weak: that of the config for each worker",
      })
      .option('repeats', { type: 'number', default: 3, describe: 'How often each number of workers runs' })
      .option('warmup', { type: 'number', default: 5, describe: 'Steps of every run that do not count' })
      .option('steps', { type: 'number', default: 20, describe: 'Steps of every run that do' })
      .option('out', { type: 'string', describe: 'Study folder  [default: runs/scale-NAME-TIME]' })
      .option('network', {
        type: 'string',
        default: '10gbit,0.05ms',
        describe: 'The link of each worker that the forecast assumes: rate and latency',
      })
      .option('simulate-compute', { type: 'number', hidden: true })
      .option('simulate-slow', { type: 'string', hidden: true })
      .option('simulate-link', { type: 'string', hidden: true })
      .option('json', { type: 'boolean', default: false, describe: 'Print the results as JSON on stdout' })
      .example('$0 scale configs/demo-traditional.yaml --workers 1,2,4 --repeats 3', 'a few minutes'),
  handler: (args) =>
    runCommand(args.json, async () => {
      const config = await loadConfig(args.config, { set: args.set });
      const note = (text: string) => process.stderr.write(`${text}\n`);
      const folder = args.out ?? join('runs', defaultRunName(`scale-${config.name}`, new Date()));
      const simulate = args['simulate-link'];
      const simulatedLink = simulate === undefined ? undefined : parseLink(simulate);
      const study = await runStudy({
        config,
        mode: args.mode,
        workers: workersOf(args.workers),
        repeats: whole(args.repeats, '--repeats', 1),
        warmup: whole(args.warmup, '--warmup', 0),
        steps: whole(args.steps, '--steps', 1),
        folder,
        simulatedCompute: simulatedCompute(args),
        simulatedLink,
        network: simulatedLink ?? parseLink(args.network),
        stop: stopBySignal(() =>
          note('The study ends; runs that have ended are kept. A second signal ends it at once.'),
        ),
        note,
      });
      const results = resultsOf(study);
      const forecasts = forecast(study);
      if (args.json) {
        print({
          study: studyFileAt(folder),
          mode: study.mode,
          results,
          forecast: forecastDocument(forecasts),
        });
        return;
      }
      const { stdout } = process;
      stdout.write(`${resultTable(results)}\n\n`);
      for (const line of describeForecast(study, forecasts)) stdout.write(`${line}\n`);
      stdout.write(`\n${folder}\n`);
    }),
};

function resultTable(results: readonly ScaleResult[]): string {
  const columns = [
    ...['workers', 'batch', 'images/s', '95 %', 'efficiency', '95 %', 'ms/step'],
    ...splitParts.map(({ title }) => title),
    'slowest',
  ].map((title) => ({ title, align: 'right' as const }));
  return table(
    columns,
    results.map(({ workers, globalBatch, imagesPerSec, efficiency, msPerStep, split, slowest }) => [
      `${workers}`,
      `${globalBatch}`,
      imagesPerSec.median.toFixed(1),
      interval(imagesPerSec, 1),
      efficiency.median.toFixed(3),
      interval(efficiency, 3),
      msPerStep.median.toFixed(1),
      ...splitParts.map(({ name }) => split[name].toFixed(1)),
      workers === 1 ? '–' : `rank ${slowest.rank} (${(100 * slowest.share).toFixed(0)} %)`,
    ]),
  );
}

function interval({ interval }: Estimate, digits: number): string {
  return interval === null ? '–' : interval.map((end) => end.toFixed(digits)).join('–');
}

function workersOf(text: string): number[] {
  const counts = text.split(',').map((count) => wholeWorkers(Number(count)));
  return [...new Set(counts)].sort((a, b) => a - b);
}

function whole(value: number, option: string, from: number): number {
  if (Number.isInteger(value) && value >= from) return value;
  throw new LockstepError('USAGE', `${option} takes a whole number from ${from}, not ${value}.`);
}

/** @throws LockstepError USAGE */
function simulatedCompute(args: ScaleArguments): SimulatedCompute | undefined {
  const { 'simulate-compute': ms, 'simulate-slow': slow } = args;
  if (ms === undefined) {
    if (slow === undefined) return undefined;
    throw new LockstepError('USAGE', '--simulate-slow needs --simulate-compute.');
  }
  if (!(ms >= 0)) throw new LockstepError('USAGE', `--simulate-compute takes milliseconds, not ${ms}.`);
  if (slow === undefined) return { ms };
  const [, rank, factor] = /^(\d+):(\d+(?:\.\d+)?)$/.exec(slow) ?? [];
  if (rank === undefined) {
    throw new LockstepError('USAGE', `'${slow}' is no slow rank.`, {
      hint: 'Give RANK:FACTOR, as in 1:1.5.',
    });
  }
  return { ms, slow: { rank: Number(rank), factor: Number(factor) } };
}
