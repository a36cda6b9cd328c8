/** `lockstep scale`: how training gets faster with the number of workers, and where the rest of the time goes. */
import { join } from 'node:path';
import { leaveStudyReport } from '../coordinator/report/end-of-run.js';
import { defaultRunName } from '../coordinator/run-folder.js';
import { collectStudy } from '../coordinator/scale/collect.js';
import type { Place } from '../coordinator/scale/measure.js';
import { runPart } from '../coordinator/scale/part.js';
import { type Mode, modes, type PlannedRun } from '../coordinator/scale/plan.js';
import { runStudy, type StudyOptions } from '../coordinator/scale/run-study.js';
import { loadConfig } from '../shared/config/load.js';
import { LockstepError } from '../shared/errors.js';
import type { SimulatedCompute } from '../shared/simulation/compute.js';
import { parseLink } from '../shared/simulation/link.js';
import type { CommandBody } from './command.js';
import { networkOf } from './network-option.js';
import { runCommand } from './output.js';
import { type PlaceArguments, placeOf, placeOptions } from './place.js';
import { showStudy } from './scale-results.js';
import { stopBySignal } from './signals.js';
import { configDescription, overrides } from './train.js';
import { wholeNumber, wholeNumbers } from './whole-number.js';

interface ScaleArguments extends PlaceArguments {
  readonly config: string | undefined;
  readonly set: readonly string[];
  readonly workers: string;
  readonly mode: Mode;
  readonly repeats: number;
  readonly warmup: number;
  readonly steps: number;
  readonly out: string | undefined;
  readonly only: string | undefined;
  readonly launch: 'local' | 'remote';
  readonly collect: string | undefined;
  readonly network: string | undefined;
  readonly 'simulate-compute': number | undefined;
  readonly 'simulate-slow': string | undefined;
  readonly 'simulate-link': string | undefined;
  readonly json: boolean;
}

export const scaleCommand: CommandBody<ScaleArguments> = {
  builder: (yargs) =>
    placeOptions(
      overrides(yargs.positional('config', { type: 'string', describe: configDescription }))
        .option('workers', { type: 'string', default: '1,2', describe: 'Numbers of workers' })
        .option('mode', {
          choices: modes,
          default: 'strong' as const,
          describe: "strong: the config's global batch, shared; weak: that of the config for each worker",
        })
        .option('repeats', {
          type: 'number',
          default: 3,
          describe: 'How often each number of workers runs',
        })
        .option('warmup', { type: 'number', default: 5, describe: 'Steps of every run that do not count' })
        .option('steps', { type: 'number', default: 20, describe: 'Steps of every run that do' })
        .option('out', { type: 'string', describe: 'Study folder  [default: runs/scale-NAME-TIME]' })
        .option('only', {
          type: 'string',
          describe:
            'N,REPEAT: measure this one run of the study, as a part in --out; N alone: with all of its repeats',
        })
        .option('collect', {
          type: 'string',
          describe: 'Put the parts in this study folder together: results, forecast, report',
        })
        .option('launch', {
          choices: ['local', 'remote'] as const,
          default: 'local' as const,
          describe:
            'remote: wait for workers that others start, as srun in a Slurm job (with --only N,REPEAT)',
        })
        .option('network', {
          type: 'string',
          describe:
            'The link of each worker that the forecast assumes: rate and latency, or the file that `lockstep doctor --hosts N --json` wrote  [default: 10gbit,0.05ms]',
        })
        .option('simulate-compute', { type: 'number', hidden: true })
        .option('simulate-slow', { type: 'string', hidden: true })
        .option('simulate-link', { type: 'string', hidden: true })
        .option('json', { type: 'boolean', default: false, describe: 'Print the results as JSON on stdout' }),
    )
      .example('$0 scale configs/demo-traditional.yaml --workers 1,2,4 --repeats 3', 'a few minutes')
      .example('scripts/slurm/submit-scaling.sh CONFIG --workers 1,2,4,8', 'the same as Slurm jobs'),
  handler: (args) =>
    runCommand(args.json, async () => {
      if (args.collect !== undefined) await collect(args, args.collect);
      else if (args.only !== undefined) await measureParts(args, args.only);
      else await measureAll(args);
    }),
};

const note = (text: string) => process.stderr.write(`${text}\n`);

async function measureAll(args: ScaleArguments): Promise<void> {
  await remotePlace(args);
  const options = await studyOptions(args);
  const study = await runStudy(options);
  await leaveStudyReport(study, options.folder, note);
  showStudy(study, options.folder, args.json);
}

async function measureParts(args: ScaleArguments, only: string): Promise<void> {
  if (args.out === undefined) {
    throw new LockstepError('USAGE', '--only needs --out: the study folder, the same for all parts.');
  }
  const options = await studyOptions(args);
  for (const run of runsOf(only, args)) {
    if (options.stop.aborted) break;
    await runPart({ ...options, place: await remotePlace(args) }, run);
  }
}

async function collect({ config, only, network, json }: ScaleArguments, folder: string): Promise<void> {
  if (config !== undefined || only !== undefined) {
    throw new LockstepError('USAGE', '--collect measures nothing: it takes neither a config nor --only.');
  }
  if (network !== undefined) {
    throw new LockstepError(
      'USAGE',
      '--network belongs to the parts: what they were measured with is collected.',
    );
  }
  const study = await collectStudy(folder);
  await leaveStudyReport(study, folder, note);
  showStudy(study, folder, json);
}

async function studyOptions(args: ScaleArguments): Promise<StudyOptions> {
  if (args.config === undefined) {
    throw new LockstepError('USAGE', 'A study needs a config.', {
      hint: 'Or --collect, for the parts of one.',
    });
  }
  const config = await loadConfig(args.config, { set: args.set });
  const simulate = args['simulate-link'];
  const simulatedLink = simulate === undefined ? undefined : parseLink(simulate);
  return {
    config,
    mode: args.mode,
    workers: workersOf(args.workers),
    repeats: wholeNumber('--repeats', args.repeats),
    warmup: wholeNumber('--warmup', args.warmup, 0),
    steps: wholeNumber('--steps', args.steps),
    folder: args.out ?? join('runs', defaultRunName(`scale-${config.name}`, new Date())),
    simulatedCompute: simulatedCompute(args),
    simulatedLink,
    network: simulatedLink ?? (await networkOf(args.network ?? '10gbit,0.05ms', note)),
    stop: stopBySignal(() =>
      note('The study ends; runs that have ended are kept. A second signal ends it at once.'),
    ),
    note,
  };
}

/** Undefined for local workers. @throws LockstepError USAGE for what only local workers can do */
async function remotePlace(args: ScaleArguments): Promise<Place | undefined> {
  if (args.launch === 'local') {
    for (const option of ['bind', 'interface', 'advertise', 'join'] as const) {
      // A default from the environment asks for nothing.
      const isDefault = option === 'interface' && args[option] === process.env.LOCKSTEP_INTERFACE;
      if (args[option] === undefined || isDefault) continue;
      throw new LockstepError('USAGE', `--${option} belongs to --launch remote.`);
    }
    return undefined;
  }
  if (!args.only?.includes(',')) {
    throw new LockstepError('USAGE', '--launch remote is for one run of a study: it takes --only N,REPEAT.');
  }
  if (args['simulate-compute'] !== undefined || args['simulate-link'] !== undefined) {
    throw new LockstepError('USAGE', 'Only local workers can be simulated: leave out --launch remote.');
  }
  const { joinFile, ...place } = await placeOf(args);
  return { ...place, joinFile: joinFile ?? join(args.out ?? '.', 'join.json') };
}

/** The runs that `--only` names. @throws LockstepError USAGE */
function runsOf(only: string, { repeats }: ScaleArguments): PlannedRun[] {
  const [, workers, repeat] = /^(\d+)(?:,(\d+))?$/.exec(only) ?? [];
  if (workers === undefined || Number(workers) === 0 || Number(repeat) === 0) {
    throw new LockstepError('USAGE', `'${only}' names no run of a study.`, {
      hint: 'Give N,REPEAT, both from 1, as in 4,2; or N alone.',
    });
  }
  const which = repeat === undefined ? Array.from({ length: repeats }, (_, i) => i) : [Number(repeat) - 1];
  return which.map((repeat) => ({ workers: Number(workers), repeat }));
}

function workersOf(text: string): number[] {
  return [...new Set(wholeNumbers('--workers', text))].sort((a, b) => a - b);
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
