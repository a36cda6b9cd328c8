/** What each stage came to, from the events of the run: the same whether it ran in one go or was resumed. */
import type { TimelineStage } from '../shared/plan/timeline.js';
import type { MetricsEvent } from './metrics.js';
import type { Summary } from './summary.js';

export type StageSummary = Summary['stages'][number];

/** Loss and accuracy of a stage's last epoch: on the test images if it was evaluated, else the mean training loss. */
export function summarizeStages(
  stages: readonly TimelineStage[],
  events: readonly MetricsEvent[],
): StageSummary[] {
  return stages.map(({ config: { name, objective, epochs, ema } }) => {
    const last = events.filter(({ stage, epoch }) => stage === name && epoch === epochs);
    const evaluation = last.findLast((event) => event.type === 'eval');
    const losses = last.flatMap((event) => (event.type === 'step' ? [event.loss] : []));
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    return {
      name,
      objective,
      epochs,
      loss: evaluation?.loss ?? mean,
      accuracy: evaluation?.accuracy ?? null,
      ...(ema === undefined ? {} : { weights: 'ema' as const }),
    };
  });
}
