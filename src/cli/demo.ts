/** `lockstep demo`: the traditional and the contrastive way on the embedded sample, compared. */
import { join } from 'node:path';
import { answer } from '../coordinator/compare/answer.js';
import { runComparison } from '../coordinator/compare/run-comparison.js';
import { loadStudy } from '../coordinator/compare/study.js';
import { LineProgress } from '../coordinator/progress.js';
import { packageRoot } from '../shared/package-root.js';
import type { CommandBody } from './command.js';
import { text } from './compare.js';
import { print, runCommand } from './output.js';
import { resultTable } from './results.js';
import { stopBySignal } from './signals.js';
import { wholeNumber } from './whole-number.js';

interface DemoArguments {
  readonly workers: number;
  readonly json: boolean;
}

export const demoCommand: CommandBody<DemoArguments> = {
  builder: (yargs) =>
    yargs
      .option('workers', { type: 'number', default: 2, describe: 'Worker processes' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the results as JSON on stdout' })
      .example('npm run demo', 'the same, and installs everything first'),
  handler: ({ workers, json }) =>
    runCommand(json, async () => {
      const study = await loadStudy(join(packageRoot, 'configs', 'study-demo.yaml'));
      const progress = new LineProgress(process.stderr);
      const stop = stopBySignal((text) => progress.note(text));
      const { state, folder, comparison, runs } = await runComparison({
        ...{ study, out: undefined, resume: false, stop, progress },
        workers: wholeNumber('--workers', workers),
      });
      if (state === 'stopped') {
        if (json) print({ stopped: true, folder });
        progress.note(`Stopped: what has been trained is in ${folder}.`);
      } else if (json) print(runs);
      else process.stdout.write(`${resultTable(runs)}\n${text(answer(comparison))}\n`);
    }),
};
