/** What each stage has come to so far: in a run that has ended what its summary says, else what its events say. */
import type { RunData } from './run-data.js';

export interface StageResult {
  readonly stage: string;
  readonly objective: string;
  /** Epochs that were begun, of those planned. */
  readonly epochs: number;
  readonly plannedEpochs: number;
  readonly steps: number;
  /** Of the last evaluation; without one the mean training loss of the last epoch. NaN if it has diverged. */
  readonly loss: number | undefined;
  /** Of the last evaluation, 0 to 1. */
  readonly accuracy: number | undefined;
  /** The highest of all evaluations, 0 to 1. */
  readonly best: number | undefined;
  /** In steps; evaluation and checkpoints are not in it. */
  readonly seconds: number;
}

export function stageResults({ planned, events, summary }: RunData): StageResult[] {
  return planned.stages.map(({ name, objective, epochs }) => {
    const own = events.filter(({ stage }) => stage === name);
    const steps = own.filter((event) => event.type === 'step');
    const evaluations = own.filter((event) => event.type === 'eval');
    const begun = steps.at(-1)?.epoch ?? 0;
    const losses = steps.flatMap(({ epoch, loss }) => (epoch === begun ? [loss] : []));
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    const said = summary?.stages.find((stage) => stage.name === name);
    const last = evaluations.at(-1);
    const accuracies = evaluations.flatMap(({ accuracy }) => (Number.isFinite(accuracy) ? [accuracy] : []));
    return {
      stage: name,
      objective,
      epochs: begun,
      plannedEpochs: epochs,
      steps: steps.length,
      loss: said?.loss ?? last?.loss ?? (steps.length > 0 ? mean : undefined),
      accuracy: said?.accuracy ?? last?.accuracy,
      best: accuracies.length > 0 ? Math.max(...accuracies) : undefined,
      seconds: steps.reduce((sum, { ms }) => sum + ms.total, 0) / 1000,
    };
  });
}
