/** The section on learning: loss, accuracy, learning rate and gradient norm over the run. */
import type { EvalEvent, StepEvent } from '../metrics.js';
import {
  type Comparison,
  type Curve,
  type CurvesOptions,
  curveOf,
  curvesFigure,
  roleLegend,
  runLegend,
} from './curves.js';
import { plain } from './plot.js';
import type { PlannedStage } from './run-data.js';
import type { Section } from './section.js';

/** Names that people use, of the objectives that we know. */
const objectiveNames: Readonly<Record<string, string>> = {
  softmax: 'softmax',
  npairs: 'n-pairs',
  supcon: 'SupCon',
  ntxent: 'NT-Xent',
  triplet: 'triplet',
};

export function learning(comparison: Comparison): Section {
  const { runs, labels } = comparison;
  const training = (
    value: (event: StepEvent) => number | undefined,
    only?: (stage: PlannedStage) => boolean,
  ) => runs.map(({ steps }, run): Curve => curveOf(comparison, run, 'training', steps, value, only));
  const test = (value: (event: EvalEvent) => number, only?: (stage: PlannedStage) => boolean) =>
    runs.map(({ events }, run): Curve => {
      const evaluations = events.filter((event) => event.type === 'eval');
      return curveOf(comparison, run, 'test', evaluations, value, only);
    });
  // Losses of different objectives have nothing in common but the name: they get an axis each, above their floors too.
  const objectives = [
    ...new Set(runs.flatMap(({ planned }) => planned.stages.map(({ objective }) => objective))),
  ];
  const losses = objectives.flatMap((objective): CurvesOptions[] => {
    const only = (stage: PlannedStage) => stage.objective === objective;
    const name = objectiveNames[objective] ?? objective;
    return [
      {
        name: `loss-${objective}`,
        title: `Loss (${name})`,
        unit: 'loss',
        tick: plain,
        format: 'figures',
        mayBeLog: true,
        curves: [...training(({ loss }) => loss, only), ...test(({ loss }) => loss, only)],
      },
      {
        name: `excess-${objective}`,
        title: `Loss above its floor (${name})`,
        unit: 'excess',
        tick: plain,
        format: 'figures',
        curves: training(({ excess }) => excess, only),
      },
    ];
  });
  const plots: CurvesOptions[] = [
    {
      name: 'accuracy',
      title: 'Accuracy',
      unit: 'right answers',
      tick: (share) => `${Number((100 * share).toFixed(1))} %`,
      format: 'percent',
      curves: [...training(({ accuracy }) => accuracy), ...test(({ accuracy }) => accuracy)],
    },
    ...losses,
    {
      name: 'learning-rate',
      title: 'Learning rate',
      unit: 'learning rate',
      tick: plain,
      format: 'figures',
      zero: true,
      curves: training(({ lr }) => lr),
    },
    {
      name: 'gradient-norm',
      title: 'Gradient norm',
      unit: 'norm before clipping',
      tick: plain,
      format: 'figures',
      mayBeLog: true,
      curves: training(({ gradNorm }) => gradNorm),
    },
    {
      name: 'loss-scale',
      title: 'Loss scale',
      unit: 'factor',
      tick: plain,
      format: 'figures',
      mayBeLog: true,
      curves: training(({ lossScale }) => lossScale),
    },
  ];
  const figures = plots.flatMap((options) => curvesFigure(comparison, options) ?? []);
  return {
    id: 'learning',
    title: 'Learning',
    text: labels.length > 1 ? ['Lines are training, lines with dots are the test images.'] : [],
    figures,
    legend: labels.length > 1 ? runLegend(comparison) : roleLegend(true),
  };
}
