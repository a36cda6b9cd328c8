/** `lockstep report`: runs become a report, and a report a file. */
import { writeAtomically } from '../../shared/checkpoint/durable.js';
import { version } from '../../shared/version.js';
import { duration, figures, percent } from '../progress-text.js';
import { runFolderAt } from '../run-folder.js';
import { axisOf, type Unit } from './axis.js';
import { binsPerCurve, type Comparison } from './curves.js';
import { evaluation } from './evaluation.js';
import { faults } from './faults.js';
import { labelsOf } from './labels.js';
import { learning } from './learning.js';
import { page } from './page.js';
import { strokeOf } from './palette.js';
import { moment, provenance } from './provenance.js';
import { results, standingOf, throughputOf } from './results.js';
import { globalBatchOf, type RunData, readRunData } from './run-data.js';
import type { Card, Report, Section } from './section.js';
import { spaces } from './spaces.js';
import { speed } from './speed.js';
import { stageResults } from './stage-results.js';
import { stepTimeline } from './step-timeline.js';

/** @param unit of the horizontal axes; by default steps for one run, epochs for several */
export function reportOf(runs: readonly RunData[], unit: Unit | undefined, madeAt: Date): Report {
  const labels = labelsOf(runs.map(({ record: { name }, path }) => ({ name, path })));
  const strokes = runs.map((_, i) => strokeOf(i));
  const comparison: Comparison = { runs, labels, strokes, axis: axisOf(runs, unit) };
  return {
    title: runs.length > 3 ? `${runs.length} runs` : labels.join(' and '),
    subtitle: runs.length === 1 ? subtitleOf(runs[0]!) : `${runs.length} runs, compared`,
    cards: runs.map((run, i) => cardOf(run, labels[i]!, runs.length === 1 ? undefined : strokes[i]!.colour)),
    sections: sectionsOf(comparison),
    ...endOf(comparison, madeAt),
  };
}

/** What there is to say of runs, one or several. */
export function sectionsOf(comparison: Comparison): Section[] {
  const began = comparison.runs.some(({ steps }) => steps.length > 0);
  const timeline = stepTimeline(comparison);
  const undone = faults(comparison);
  const [evaluated, seen] = [evaluation(comparison), spaces(comparison)];
  return [
    results(comparison),
    ...(began ? [learning(comparison)] : []),
    ...(evaluated === undefined ? [] : [evaluated]),
    ...(seen === undefined ? [] : [seen]),
    ...(began ? [speed(comparison)] : []),
    ...(timeline === undefined ? [] : [timeline]),
    ...(undone === undefined ? [] : [undone]),
    provenance(comparison),
  ];
}

/** How curves are drawn, and who made the report. */
export function endOf({ runs }: Comparison, madeAt: Date): Pick<Report, 'footer' | 'generator'> {
  return {
    footer: [
      `A curve has at most ${binsPerCurve(runs.length)} points: longer ones are drawn in bins of equally many steps of a stage. The line is the median of each bin${runs.length <= 4 ? ', the band around it goes from the lowest value to the highest' : ''}. The times of a step are medians, one stacked on the other.`,
      `Made by Lockstep ${version} on ${moment(madeAt.toISOString())}.`,
    ],
    generator: `lockstep ${version}`,
  };
}

/**
 * Writes a run's own report into its folder, unless the run has failed without a step: there is nothing to report then.
 * @throws LockstepError as `readRunData`
 */
export async function writeRunReport(path: string): Promise<void> {
  const data = await readRunData(path);
  if (data.failure !== undefined && data.steps.length === 0) return;
  await writeAtomically(runFolderAt(path).report, page(reportOf([data], undefined, new Date()), false));
}

function subtitleOf(run: RunData): string {
  const { planned, record } = run;
  const workers = Number(record.topology.workers);
  return [
    ...(Number.isInteger(workers) ? [`${workers} ${workers === 1 ? 'worker' : 'workers'}`] : []),
    `${planned.model.encoder} encoder`,
    `global batch ${globalBatchOf(run)}`,
    moment(record.startedAt),
  ].join(' · ');
}

function cardOf(run: RunData, label: string, colour: string | undefined): Card {
  const { summary, failure, steps } = run;
  const stages = stageResults(run);
  const classified = stages.findLast(({ accuracy }) => accuracy !== undefined);
  const last = stages.findLast(({ loss }) => loss !== undefined);
  const inSteps = stages.reduce((sum, { seconds }) => sum + seconds, 0);
  const unfinished = failure === undefined ? 'Not finished' : 'Failed';
  const state = summary === undefined ? `${unfinished}, ${standingOf(run)}` : 'Finished';
  return {
    title: colour === undefined ? state : label,
    colour,
    facts: [
      ...(classified?.accuracy === undefined
        ? []
        : [{ name: 'test accuracy', ...split(percent(classified.accuracy)) }]),
      ...(last?.loss === undefined ? [] : [{ name: `loss (${last.stage})`, value: figures(last.loss) }]),
      ...(steps.length === 0 ? [] : [{ name: 'images/s', value: figures(throughputOf(run)) }]),
      summary === undefined
        ? { name: 'time in steps', value: duration(inSteps) }
        : { name: 'wall clock', value: duration(summary.seconds) },
    ],
  };
}

function split(text: string): { readonly value: string; readonly unit: string } {
  const [value = '', unit = ''] = text.split(' ');
  return { value, unit };
}
