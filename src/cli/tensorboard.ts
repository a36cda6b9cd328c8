/** `lockstep tensorboard`: what TensorBoard shows of a run, for what a run does not write itself. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { readMetrics } from '../coordinator/metrics.js';
import { readRun, runFolderAt } from '../coordinator/run-folder.js';
import { readSummary } from '../coordinator/summary.js';
import { eventFiles } from '../coordinator/tensorboard/event-file.js';
import { eventsFolder, RunEvents } from '../coordinator/tensorboard/run-events.js';
import { writeWeightHistograms } from '../coordinator/tensorboard/weight-histograms.js';
import { LockstepError } from '../shared/errors.js';
import type { CommandBody } from './command.js';
import { print, runCommand } from './output.js';

interface TensorBoardArguments {
  readonly run: string;
  readonly histograms: boolean;
  readonly json: boolean;
}

export const tensorboardCommand: CommandBody<TensorBoardArguments> = {
  builder: (yargs) =>
    yargs
      .positional('run', { type: 'string', demandOption: true, describe: 'A run folder' })
      .option('histograms', {
        type: 'boolean',
        default: false,
        describe: 'Also the weights of every checkpoint that is still there, as histograms',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print the result as JSON on stdout' })
      .example('$0 tensorboard runs/one --histograms', 'then: tensorboard --logdir runs/one/tensorboard'),
  handler: ({ run, histograms, json }) =>
    runCommand(json, async () => {
      await readRun(run);
      const scalars = await convert(run);
      const weights = histograms ? await writeWeightHistograms(run) : null;
      const folder = eventsFolder(run);
      if (json) {
        print({ folder, scalars, histograms: weights });
        return;
      }
      process.stdout.write(
        `${[
          scalars === 'kept' ? `${folder} has the run's scalars already` : `${folder}: scalars of the run`,
          ...(weights === null
            ? []
            : [`${weights.folder}: ${weights.tensors} tensors of ${weights.steps.length} checkpoints`]),
          `See it with: tensorboard --logdir ${folder}`,
        ].join('\n')}\n`,
      );
    }),
};

/** A run writes its scalars itself: what it has written has the true times, and may still grow. */
async function convert(run: string): Promise<'kept' | 'written'> {
  if (eventFiles(eventsFolder(run)).length > 0) return 'kept';
  const { metrics, summary } = runFolderAt(run);
  const events = existsSync(metrics) ? await readMetrics(metrics) : [];
  const written = await RunEvents.begin(run, events, (message) => {
    throw new LockstepError('RUN_FOLDER', message);
  });
  if (existsSync(summary)) {
    const { mtimeMs } = await stat(summary);
    written.finish(await readSummary(summary), events.at(-1)?.step ?? 0, mtimeMs / 1000);
  }
  written.close();
  return 'written';
}
