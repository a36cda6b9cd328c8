/** What a scaling study came to, for the terminal or as JSON. */
import { forecast } from '../coordinator/scale/forecast.js';
import { describeForecast, forecastDocument } from '../coordinator/scale/forecast-text.js';
import { describeMissing } from '../coordinator/scale/missing.js';
import { resultsOf, type ScaleResult } from '../coordinator/scale/results.js';
import { type Study, studyFileAt } from '../coordinator/scale/study.js';
import { splitParts } from '../coordinator/scale/time-split.js';
import type { Estimate } from '../shared/statistics/estimate.js';
import { print } from './output.js';
import { table } from './table.js';

export function showStudy(study: Study, folder: string, json: boolean): void {
  const results = resultsOf(study);
  const forecasts = forecast(study);
  const { missing } = study;
  if (json) {
    print({
      study: studyFileAt(folder),
      mode: study.mode,
      results,
      ...(missing === undefined ? {} : { missing }),
      forecast: forecastDocument(forecasts),
    });
    return;
  }
  const { stdout } = process;
  stdout.write(`${resultTable(results)}\n\n`);
  for (const line of describeMissing(missing ?? [])) stdout.write(`${line}\n`);
  for (const line of describeForecast(study, forecasts)) stdout.write(`${line}\n`);
  stdout.write(`\n${folder}\n`);
}

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
