/** What a stage keeps beside weights and running statistics, from its first step to its last: what only training needs. */
import { initialLossScale, lossScaleState } from '../shared/optimizer/loss-scaling.js';
import { slotNames } from '../shared/optimizer/optimizer.js';
import type { StageShape } from './stage-shape.js';

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface StageState {
  /** Zero at first. */
  readonly zeros: readonly Tensor[];
  /** Known at first. */
  readonly values: readonly (Tensor & { readonly initial: readonly number[] })[];
  /** Parameters and statistics that are averaged over the steps: each gets a raw twin, which is what is trained. */
  readonly averaged: readonly Tensor[];
}

export function stageState({ config, trained, observedStatistics, lossScale }: StageShape): StageState {
  return {
    zeros: slotNames(config.optimizer).flatMap((kind) =>
      trained.map(({ name, shape }) => ({ name: slotName(kind, name), shape })),
    ),
    values:
      lossScale.kind === 'dynamic'
        ? [{ ...lossScaleState, initial: initialLossScale(lossScale.initial) }]
        : [],
    averaged: config.ema === undefined ? [] : [...trained, ...observedStatistics],
  };
}

/** An optimiser slot's name. */
export function slotName(kind: string, parameter: string): string {
  return `${kind}/${parameter}`;
}
