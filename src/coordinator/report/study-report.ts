/** The report of a scaling study. */
import { writeAtomically } from '../../shared/checkpoint/durable.js';
import { version } from '../../shared/version.js';
import { figures } from '../progress-text.js';
import { runFolderAt } from '../run-folder.js';
import { forecast } from '../scale/forecast.js';
import { resultsOf } from '../scale/results.js';
import type { Study } from '../scale/study.js';
import { page } from './page.js';
import { moment } from './provenance.js';
import { scaling } from './scaling.js';
import { scalingForecast } from './scaling-forecast.js';
import type { Report, Section } from './section.js';

export function studyReportOf(study: Study, path: string, madeAt: Date): Report {
  const results = resultsOf(study);
  const most = results.at(-1)!;
  return {
    title: `How ${study.name} scales`,
    subtitle: `${study.mode} scaling · ${results.map(({ workers }) => workers).join(', ')} workers · ${study.machine.processor} · ${moment(study.startedAt)}`,
    cards: [
      {
        title: `${most.workers} ${most.workers === 1 ? 'worker' : 'workers'}`,
        colour: undefined,
        facts: [
          { name: 'images/s', value: figures(most.imagesPerSec.median) },
          { name: 'efficiency', value: (100 * most.efficiency.median).toFixed(1), unit: '%' },
          { name: 'step', value: most.msPerStep.median.toFixed(1), unit: 'ms' },
        ],
      },
    ],
    sections: [
      scaling(study, results),
      scalingForecast(study, results, forecast(study)),
      howItWasRun(study, path),
    ],
    footer: [`Made by Lockstep ${version} on ${moment(madeAt.toISOString())}.`],
    generator: `lockstep ${version}`,
  };
}

/** Writes a study's own report into its folder. */
export async function writeStudyReport(study: Study, folder: string): Promise<void> {
  await writeAtomically(runFolderAt(folder).report, page(studyReportOf(study, folder, new Date()), false));
}

function howItWasRun(study: Study, path: string): Section {
  const { machine, versions, commandLine, threads, microBatchSize, reducedBytes, runs, missing = [] } = study;
  const seconds = runs.reduce((sum, run) => sum + run.seconds, 0);
  return {
    id: 'provenance',
    title: 'How it was run',
    text: [],
    figures: [],
    facts: [
      { name: 'started', value: moment(study.startedAt) },
      {
        name: 'machine',
        value: `${machine.cores} cores of ${machine.processor}, ${machine.gpus} GPUs, ${machine.memoryGb} GB, Linux ${machine.kernel}`,
      },
      { name: 'threads', value: `${threads}`, unit: 'a worker' },
      { name: 'micro-batch', value: `${microBatchSize}`, unit: 'images' },
      { name: 'reduced', value: (reducedBytes / 1e6).toFixed(2), unit: 'MB a step' },
      {
        name: 'runs',
        value: missing.length === 0 ? `${runs.length}` : `${runs.length} of ${runs.length + missing.length}`,
        unit: `in ${seconds.toFixed(0)} s`,
      },
      {
        name: 'versions',
        value: Object.entries(versions)
          .map(([name, number]) => `${name} ${number.replace(/^v/, '')}`)
          .join(', '),
      },
      { name: 'command', value: `lockstep ${commandLine.join(' ')}` },
      { name: 'study folder', value: path },
    ],
  };
}
