/** The section that comes first: what the runs came to. */
import { duration, figures, percent } from '../progress-text.js';
import { plannedSteps } from './axis.js';
import type { Comparison } from './curves.js';
import { named } from './run-column.js';
import type { RunData } from './run-data.js';
import type { Section } from './section.js';
import { stageResults } from './stage-results.js';
import { median } from './thin.js';

export function results({ runs, labels }: Comparison): Section {
  return {
    id: 'results',
    title: 'Results',
    text: [],
    notes: runs.flatMap((run, i) => {
      if (runs.length === 1) return run.warnings;
      const name = `${labels[i]}: `;
      const standing = run.summary === undefined ? [`${name}not finished, ${standingOf(run)}.`] : [];
      return [...standing, ...run.warnings.map((warning) => name + warning)];
    }),
    figures: [],
    table: named(
      {
        columns: [
          { title: 'run' },
          { title: 'stage' },
          { title: 'objective' },
          ...['epochs', 'steps', 'loss', 'test accuracy', 'best', 'images/s', 'time in steps'].map(
            (title) => ({
              title,
              numeric: true,
            }),
          ),
        ],
        rows: runs.flatMap((run, i) =>
          stageResults(run).map(
            ({ stage, objective, epochs, plannedEpochs, steps, loss, accuracy, best, seconds }) => [
              labels[i]!,
              stage,
              objective,
              epochs === plannedEpochs ? `${epochs}` : `${epochs} of ${plannedEpochs}`,
              `${steps}`,
              loss === undefined ? '–' : figures(loss),
              accuracy === undefined ? '–' : percent(accuracy),
              best === undefined ? '–' : percent(best),
              steps === 0 ? '–' : figures(throughputOf(run, stage)),
              steps === 0 ? '–' : duration(seconds),
            ],
          ),
        ),
      },
      runs.length,
    ),
  };
}

/** Median images per second, of one stage or of the whole run. */
export function throughputOf({ steps }: RunData, stage?: string): number {
  return median(
    steps.flatMap((step) => (stage === undefined || step.stage === stage ? [step.imagesPerSec] : [])),
  );
}

/** "step 122 of 403, epoch 4 of stage 'pretrain'" */
export function standingOf(run: RunData): string {
  const last = run.steps.at(-1);
  if (last === undefined) return 'no step is committed yet';
  const planned = plannedSteps(run);
  const of = planned === undefined ? '' : ` of ${planned}`;
  return `at step ${last.step}${of}, epoch ${last.epoch} of stage '${last.stage}'`;
}
