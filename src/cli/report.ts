/** `lockstep report`: what runs came to, as one HTML file. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { comparisonFileAt, readComparison } from '../coordinator/compare/comparison.js';
import { type Unit, units } from '../coordinator/report/axis.js';
import { comparisonReportOf, readComparedRuns } from '../coordinator/report/comparison-report.js';
import { exportPlots } from '../coordinator/report/export.js';
import { page } from '../coordinator/report/page.js';
import { reportOf } from '../coordinator/report/report.js';
import { type RunData, readRunData } from '../coordinator/report/run-data.js';
import type { Report } from '../coordinator/report/section.js';
import { serveReport } from '../coordinator/report/serve.js';
import { studyReportOf } from '../coordinator/report/study-report.js';
import { runFolderAt } from '../coordinator/run-folder.js';
import { readStudy, studyFileAt } from '../coordinator/scale/study.js';
import { writeAtomically } from '../shared/checkpoint/durable.js';
import { LockstepError } from '../shared/errors.js';
import type { CommandBody } from './command.js';
import { print, runCommand } from './output.js';
import { wholeNumber } from './whole-number.js';

interface ReportArguments {
  readonly runs: readonly string[];
  readonly out: string | undefined;
  readonly x: Unit | undefined;
  readonly plots: string | undefined;
  readonly serve: boolean;
  readonly port: number | undefined;
  readonly json: boolean;
}

export const reportCommand: CommandBody<ReportArguments> = {
  builder: (yargs) =>
    yargs
      .positional('runs', {
        type: 'string',
        array: true,
        demandOption: true,
        describe:
          'Run folders; several are drawn into the same plots. Or one folder of `lockstep scale` or `compare`',
      })
      .option('out', { type: 'string', describe: 'The HTML file  [default for one run: RUN/report.html]' })
      .option('x', {
        choices: units,
        describe: 'What plots count along  [default: step for one run, epoch for several]',
      })
      .option('plots', {
        type: 'string',
        describe: 'Write each plot as SVG, PNG and CSV into this folder, too',
      })
      .option('serve', {
        type: 'boolean',
        default: false,
        describe: 'Serve the report on this host and follow the runs, until Ctrl-C',
      })
      .option('port', { type: 'number', describe: 'Where to serve it  [default: any free port]' })
      .option('json', {
        type: 'boolean',
        default: false,
        describe: 'Print what was written as JSON on stdout',
      })
      .example('$0 report runs/one', 'writes runs/one/report.html')
      .example('$0 report runs/traditional runs/contrastive --out compare.html --plots plots', 'side by side')
      .example('$0 report runs/one --serve', 'watch a run while it trains'),
  handler: (args) =>
    runCommand(args.json, async () => {
      const paths = distinct(args.runs);
      if (args.serve) await serve(paths, args);
      else await write(paths, args);
    }),
};

async function write(
  paths: readonly string[],
  { out, x, port, plots: folder, json }: ReportArguments,
): Promise<void> {
  if (port !== undefined) throw new LockstepError('USAGE', '--port belongs to --serve.');
  const began = performance.now();
  if (out === undefined && paths.length > 1) {
    throw new LockstepError('USAGE', 'A report on several runs needs --out.', {
      hint: 'Give the HTML file to write.',
    });
  }
  const path = out ?? runFolderAt(paths[0]!).report;
  const { runs, report } = await make(paths, x);
  await writeAtomically(path, page(report, false)).catch((cause: Error) => {
    throw new LockstepError('RUN_FOLDER', `${path} can't be written: ${cause.message}.`, {
      cause,
      hint: 'Choose another file with --out.',
    });
  });
  const note = (text: string) => process.stderr.write(`${text}\n`);
  const plots = folder === undefined ? [] : await exportPlots(report, folder, note);
  const { size: bytes } = await stat(path);
  for (const { path: run, warnings } of runs) for (const warning of warnings) note(`${run}: ${warning}`);
  if (!json) {
    process.stdout.write(`${path}  ${(bytes / 1024).toFixed(0)} KB\n`);
    if (folder !== undefined) process.stdout.write(`${folder}  ${plots.length} plots\n`);
    return;
  }
  print({
    report: path,
    bytes,
    seconds: (performance.now() - began) / 1000,
    runs: runs.map(({ path: run, record, steps, summary, warnings }) => ({
      run,
      name: record.name,
      finished: summary !== undefined,
      steps: steps.at(-1)?.step ?? 0,
      warnings,
    })),
    plots,
  });
}

async function serve(
  paths: readonly string[],
  { x, port = 0, json, out, plots }: ReportArguments,
): Promise<void> {
  if (out !== undefined || plots !== undefined) {
    throw new LockstepError('USAGE', '--serve writes no files, so it takes neither --out nor --plots.');
  }
  wholeNumber('--port', port, 0, 65_535);
  // What is wrong with the folders is better said here than in a browser.
  await make(paths, x);
  const server = await serveReport({
    port,
    files: paths
      .map(runFolderAt)
      .flatMap(({ metrics, summary, evaluation }) => [metrics, summary, evaluation]),
    render: async () => page((await make(paths, x)).report, true),
  });
  if (json) print({ url: server.url });
  else process.stdout.write(`${server.url}  until Ctrl-C\n`);
  await new Promise<void>((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop());
  });
  await server.close();
}

async function make(
  paths: readonly string[],
  x: Unit | undefined,
): Promise<{ readonly runs: readonly RunData[]; readonly report: Report }> {
  const study = paths.find((path) => existsSync(studyFileAt(path)));
  if (study !== undefined) {
    alone(paths, study, 'a scaling study');
    if (x !== undefined) {
      throw new LockstepError('USAGE', '--x belongs to runs: plots of a scaling study count along workers.');
    }
    return { runs: [], report: studyReportOf(await readStudy(study), study, new Date()) };
  }
  const compared = paths.find((path) => existsSync(comparisonFileAt(path)));
  if (compared !== undefined) {
    alone(paths, compared, 'a comparison');
    const comparison = await readComparison(compared);
    const runs = await readComparedRuns(comparison, compared);
    return { runs, report: comparisonReportOf(comparison, runs, x, new Date()) };
  }
  const runs = await Promise.all(paths.map(readRunData));
  return { runs, report: reportOf(runs, x, new Date()) };
}

/** @throws LockstepError USAGE beside anything else */
function alone(paths: readonly string[], path: string, what: string): void {
  if (paths.length === 1) return;
  throw new LockstepError('USAGE', `${path} is ${what}, which has a report of its own.`, {
    hint: 'Give it alone.',
  });
}

/** @throws LockstepError USAGE if one is given twice */
function distinct(paths: readonly string[]): readonly string[] {
  const twice = paths.find((path, i) => paths.findIndex((other) => resolve(other) === resolve(path)) < i);
  if (twice === undefined) return paths;
  throw new LockstepError('USAGE', `${twice} is given twice.`, { hint: 'Give each run once.' });
}
