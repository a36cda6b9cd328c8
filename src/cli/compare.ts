/** `lockstep compare`: several ways to train, with the same budget and seeds, and which is better. */

import { type Answer, answer } from '../coordinator/compare/answer.js';
import { armColumns, armRow } from '../coordinator/compare/arm-table.js';
import { type BudgetRule, budgetRules } from '../coordinator/compare/budget.js';
import { documentOf } from '../coordinator/compare/comparison.js';
import { type ArmResult, resultsOf } from '../coordinator/compare/results.js';
import { runComparison } from '../coordinator/compare/run-comparison.js';
import { loadStudy } from '../coordinator/compare/study.js';
import { LineProgress } from '../coordinator/progress.js';
import type { CommandBody } from './command.js';
import { print, runCommand } from './output.js';
import { stopBySignal } from './signals.js';
import { table } from './table.js';
import { wholeNumber } from './whole-number.js';

interface CompareArguments {
  readonly study: string;
  readonly workers: number;
  readonly set: readonly string[];
  readonly repeats: number | undefined;
  readonly budget: BudgetRule | undefined;
  readonly out: string | undefined;
  readonly resume: boolean;
  readonly json: boolean;
}

export const compareCommand: CommandBody<CompareArguments> = {
  builder: (yargs) =>
    yargs
      .positional('study', {
        type: 'string',
        demandOption: true,
        describe: 'A study file (YAML) that names the configs to compare, see docs/compare.md',
      })
      .option('workers', { type: 'number', default: 1, describe: 'Worker processes of each run' })
      .option('set', {
        type: 'string',
        array: true,
        nargs: 1,
        default: [] as string[],
        describe: 'Override a key of all configs, or of one: contrastive:stages.0.epochs=2',
      })
      .option('repeats', { type: 'number', describe: "Seeds to train with  [default: the study's]" })
      .option('budget', { choices: budgetRules, describe: "What arms spend alike  [default: the study's]" })
      .option('out', { type: 'string', describe: 'Its folder  [default: runs/compare-NAME-TIME]' })
      .option('resume', {
        type: 'boolean',
        default: false,
        describe: 'Go on with the comparison in --out: runs that have ended are kept',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print the results as JSON on stdout' })
      .example('$0 compare configs/study-demo.yaml --workers 2 --repeats 3', 'a few minutes')
      .example('$0 compare configs/study-demo.yaml --out runs/pair --resume', 'begin it, or go on with it'),
  handler: (args) =>
    runCommand(args.json, async () => {
      const { set, budget, workers, out, resume, json } = args;
      const study = await loadStudy(args.study, {
        set,
        budget,
        repeats: args.repeats === undefined ? undefined : wholeNumber('--repeats', args.repeats),
      });
      const progress = new LineProgress(process.stderr);
      const stop = stopBySignal((text) => progress.note(text));
      const { state, folder, comparison } = await runComparison({
        ...{ study, workers: wholeNumber('--workers', workers), out, resume, stop, progress },
      });
      if (json)
        print({ ...documentOf(comparison), folder, ...(state === 'stopped' ? { stopped: true } : {}) });
      else if (comparison.runs.length > 0) {
        process.stdout.write(
          `\n${armTable(resultsOf(comparison))}\n\n${text(answer(comparison))}\n\n${folder}\n`,
        );
      }
      if (state === 'stopped') {
        progress.note(`Saved. The same command with --out ${folder} --resume goes on.`);
      }
    }),
};

function armTable(results: readonly ArmResult[]): string {
  const columns = armColumns.map((title, i) => ({ title, align: i === 0 ? 'left' : 'right' }) as const);
  return table(columns, results.map(armRow));
}

/** The answer as lines. */
export function text({ verdicts, caveats }: Answer): string {
  return [...verdicts, '', ...caveats].join('\n');
}
