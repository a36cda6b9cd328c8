/** The report of `lockstep compare`: its answer, and the curves of all its runs. */
import { join } from 'node:path';
import { writeAtomically } from '../../shared/checkpoint/durable.js';
import { answer } from '../compare/answer.js';
import { armColumns, armRow } from '../compare/arm-table.js';
import { readComparison } from '../compare/comparison.js';
import type { Comparison } from '../compare/comparison-schema.js';
import { type ArmResult, resultsOf } from '../compare/results.js';
import { figures } from '../progress-text.js';
import { runFolderAt } from '../run-folder.js';
import { axisOf, type Unit } from './axis.js';
import { page } from './page.js';
import { runColours, strokeOf } from './palette.js';
import { moment } from './provenance.js';
import { endOf, sectionsOf } from './report.js';
import { type RunData, readRunData } from './run-data.js';
import type { Card, Report, Section } from './section.js';

/** The runs of a comparison, in its order. @throws LockstepError as `readRunData` */
export async function readComparedRuns(comparison: Comparison, folder: string): Promise<RunData[]> {
  return await Promise.all(comparison.runs.map(({ run }) => readRunData(join(folder, run))));
}

/** @param runs those of the comparison, in its order */
export function comparisonReportOf(
  comparison: Comparison,
  runs: readonly RunData[],
  unit: Unit | undefined,
  madeAt: Date,
): Report {
  const { name, arms, seeds, runs: compared, machine, startedAt } = comparison;
  const armOf = (run: number) => arms.findIndex((arm) => arm.name === compared[run]!.arm);
  const drawn = {
    runs,
    labels: compared.map(({ arm, seed }) => `${arm}, seed ${seed}`),
    // An arm has one colour, and a seed one dash.
    strokes: compared.map(({ seed }, i) => strokeOf(armOf(i) + runColours * seeds.indexOf(seed))),
    axis: axisOf(runs, unit),
  };
  const results = resultsOf(comparison);
  const [first, ...others] = arms.map((arm) => arm.name);
  return {
    title: `Is ${others.join(' or ')} better than ${first}?`,
    subtitle: `${name} · ${seeds.length === 1 ? 'one seed' : `${seeds.length} seeds`} · ${machine.processor} · ${moment(startedAt)}`,
    cards: results.map((result, i) => cardOf(result, strokeOf(i).colour)),
    sections: [answerSection(comparison, results), ...sectionsOf(drawn)],
    ...endOf(drawn, madeAt),
  };
}

/** Writes a comparison's report into its folder. */
export async function writeComparisonReport(folder: string): Promise<void> {
  const comparison = await readComparison(folder);
  const runs = await readComparedRuns(comparison, folder);
  const report = comparisonReportOf(comparison, runs, undefined, new Date());
  await writeAtomically(runFolderAt(folder).report, page(report, false));
}

function cardOf({ arm, runs, diverged, accuracy, imagesPerSec, seconds }: ArmResult, colour: string): Card {
  return {
    title: arm,
    colour,
    facts: [
      ...(diverged.length === 0
        ? []
        : [{ name: 'diverged', value: `${diverged.length} of ${runs + diverged.length}`, unit: 'runs' }]),
      ...(accuracy === null
        ? []
        : [{ name: 'test accuracy', value: (100 * accuracy.mean).toFixed(2), unit: '%' }]),
      ...(accuracy?.deviation == null
        ? []
        : [{ name: 'standard deviation', value: (100 * accuracy.deviation).toFixed(2), unit: 'points' }]),
      ...(imagesPerSec === null ? [] : [{ name: 'images/s', value: figures(imagesPerSec) }]),
      ...(seconds === null ? [] : [{ name: 'in steps', value: figures(seconds), unit: 's' }]),
    ],
  };
}

function answerSection(comparison: Comparison, results: readonly ArmResult[]): Section {
  const { verdicts, caveats } = answer(comparison);
  return {
    id: 'answer',
    title: 'Answer',
    text: caveats,
    notes: verdicts,
    figures: [],
    table: {
      columns: armColumns.map((title, i) => ({ title, numeric: i > 0 })),
      rows: results.map(armRow),
    },
  };
}
