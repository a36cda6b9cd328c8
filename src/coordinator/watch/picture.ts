/** A run on one screen, in lines. */
import type { StepEvent } from '../metrics.js';
import { bar, describeEvaluation, describeGeneration, duration, figures, percent } from '../progress-text.js';
import type { StageState } from './run-state.js';
import { sparkline } from './sparkline.js';
import type { WatchedRun } from './watch.js';

export interface PictureOptions {
  /** Characters in a line; longer ones are cut. */
  readonly width: number;
  readonly colors: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const barWidth = 30;
const curveWidth = 32;
const labelWidth = 12;

export function picture(run: WatchedRun, { width, colors, now }: PictureOptions): string[] {
  const { name, state, updated, evaluation, bestAccuracy, checkpoint, generations, ms } = run;
  const doing =
    state === 'training' && updated !== null
      ? `training, last event ${duration((now - Date.parse(updated)) / 1000)} ago`
      : state === 'waiting'
        ? 'waits for its first step'
        : state;
  const label = (text: string) => text.padEnd(labelWidth);
  const lines = [
    `${name} (${run.run}): ${doing}`,
    ...rows(run),
    ...curve('loss', run.recent.loss, figures),
    ...curve('excess', run.recent.excess, figures),
    ...curve('accuracy', run.recent.accuracy, percent),
    ...(ms === null
      ? []
      : [
          `${label('speed')}${figures(run.imagesPerSec!)} images/s, ${run.workers} ${run.workers === 1 ? 'worker' : 'workers'}`,
          `${label('step')}${split(ms)}`,
        ]),
    ...(evaluation === null
      ? []
      : [`${label('evaluation')}${describeEvaluation(evaluation)} (best ${percent(bestAccuracy!)})`]),
    ...(checkpoint === null ? [] : [`${label('checkpoint')}after step ${checkpoint}`]),
    ...generations.map((event) => `${label(`after ${event.step}`)}${describeGeneration(event)}`),
  ].map((line) => line.slice(0, width));
  // Cut first: colours take no room on the screen, but would count.
  return [lines[0]!, progress(run, width, colors), ...lines.slice(1)];
}

function progress(
  { step, totalSteps, secondsLeft, state }: WatchedRun,
  width: number,
  colors: boolean,
): string {
  const eta = secondsLeft === null || state === 'finished' ? '' : `  ETA ${duration(secondsLeft)}`;
  const words =
    totalSteps === null
      ? `step ${step}`
      : `${((100 * step) / totalSteps).toFixed(1)} %  step ${step}/${totalSteps}${eta}`;
  if (totalSteps === null || barWidth + 2 + words.length > width) return words.slice(0, width);
  return `${bar(step / totalSteps, barWidth, colors)}  ${words}`;
}

/** A line for every stage, in columns. */
function rows({ stages, stage: present }: WatchedRun): string[] {
  const cells = stages.map((stage) => [
    `${stage.name === present ? '▸' : ' '} ${stage.name}`,
    stage.objective,
    `epoch ${stage.epoch}/${stage.epochs}`,
    `step ${stage.step}${stage.steps === null ? '' : `/${stage.steps}`}`,
    results(stage),
  ]);
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

function results({ loss, accuracy, excess }: StageState): string {
  return [
    ...(loss === null ? [] : [`loss ${figures(loss)}`]),
    ...(excess === null ? [] : [`excess ${figures(excess)}`]),
    ...(accuracy === null ? [] : [`acc ${percent(accuracy)}`]),
  ].join('  ');
}

/** How a value has gone: nothing where the stage does not have it. */
function curve(name: string, values: readonly number[], words: (value: number) => string): string[] {
  const last = values.at(-1);
  if (last === undefined) return [];
  const finite = values.filter(Number.isFinite);
  const range =
    finite.length === 0 ? '' : ` (${words(Math.min(...finite))} to ${words(Math.max(...finite))})`;
  return [`${name.padEnd(labelWidth)}${sparkline(values, curveWidth)} ${words(last)}${range}`];
}

/** Where a step's time goes. */
function split({ total, input, compute, exposedComm, commit }: StepEvent['ms']): string {
  const share = (part: number) => `${total > 0 ? ((100 * part) / total).toFixed(0) : 0} %`;
  return `${figures(total)} ms: compute ${share(compute)}, communication ${share(exposedComm)}, input ${share(input)}, commit ${share(commit)}`;
}
