/** `lockstep demo`: the traditional and the contrastive way on the embedded sample, compared. */
import { join } from 'node:path';
import { answer } from '../coordinator/compare/answer.js';
import { runComparison } from '../coordinator/compare/run-comparison.js';
import { loadStudy } from '../coordinator/compare/study.js';
import { visibleGpus } from '../coordinator/gpus.js';
import { LineProgress } from '../coordinator/progress.js';
import { readInstallation } from '../shared/engine/installation.js';
import { packageRoot } from '../shared/package-root.js';
import type { CommandBody } from './command.js';
import { text } from './compare.js';
import { print, runCommand } from './output.js';
import { resultTable } from './results.js';
import { stopBySignal } from './signals.js';
import { wholeNumber } from './whole-number.js';

interface DemoArguments {
  readonly workers: number | undefined;
  readonly json: boolean;
}

/** Each worker has a GPU of its own, where there are any that the engine can use. */
function demoWorkers(): number {
  return readInstallation().kind === 'gpu' && visibleGpus().length === 1 ? 1 : 2;
}

export const demoCommand: CommandBody<DemoArguments> = {
  builder: (yargs) =>
    yargs
      .option('workers', {
        type: 'number',
        describe: 'Worker processes  [default: 2, or 1 where there is one GPU]',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print the results as JSON on stdout' })
      .example('npm run demo', 'the same, and installs everything first'),
  handler: ({ workers, json }) =>
    runCommand(json, async () => {
      const study = await loadStudy(join(packageRoot, 'configs', 'study-demo.yaml'));
      const progress = new LineProgress(process.stderr);
      const stop = stopBySignal((text) => progress.note(text));
      const { state, folder, comparison, runs } = await runComparison({
        ...{ study, out: undefined, resume: false, stop, progress },
        workers: workers === undefined ? demoWorkers() : wholeNumber('--workers', workers),
      });
      if (state === 'stopped') {
        if (json) print({ stopped: true, folder });
        progress.note(`Stopped: what has been trained is in ${folder}.`);
      } else if (json) print(runs);
      else process.stdout.write(`${resultTable(runs)}\n${text(answer(comparison))}\n`);
    }),
};
