/** What each arm of a comparison spends, and whether that is the same for all. */
import { hasFixedFeatures } from '../../shared/config/fixed-features.js';
import { viewsOf } from '../../shared/config/objectives.js';
import type { Config } from '../../shared/config/schema.js';
import { LockstepError } from '../../shared/errors.js';
import { Timeline, type TimelineStage } from '../../shared/plan/timeline.js';

export const budgetRules = ['samples', 'encoderPasses', 'none'] as const;
export type BudgetRule = (typeof budgetRules)[number];

export interface Spending {
  /** Training images, over all epochs of all stages; an image counts once however many views of it are taken. */
  readonly samples: number;
  /**
   * Forward passes of the encoder, in views of images; a backward pass counts as two, since it computes a gradient for inputs and
   * one for weights, each of the cost of the forward pass. Heads count nothing.
   */
  readonly encoderPasses: number;
}

/** The most by which spendings that count as equal may differ: epochs are whole, and drop their incomplete last batch. */
const tolerance = 0.01;

/** @throws LockstepError CONFIG when the images do not fill one global batch */
export function spendingOf(config: Config, trainImages: number): Spending {
  const { stages, globalBatch } = new Timeline(config, trainImages);
  const samples = stages.map(({ steps }) => steps * globalBatch);
  return {
    samples: samples.reduce((sum, images) => sum + images, 0),
    encoderPasses: stages.reduce((sum, stage, i) => {
      // All images once, those too that an epoch leaves out.
      if (hasFixedFeatures(config, stage.config)) return sum + trainImages;
      return sum + samples[i]! * passesAnImage(stage);
    }, 0),
  };
}

function passesAnImage({ config: stage }: TimelineStage): number {
  return stage.objective === 'softmax' && stage.freeze === 'encoder' ? 1 : 3 * viewsOf(stage);
}

/** @throws LockstepError CONFIG that says what each arm spends, unless the rule allows it */
export function checkBudget(
  rule: BudgetRule,
  arms: readonly { readonly name: string; readonly spending: Spending }[],
): void {
  if (rule === 'none') return;
  const spent = arms.map(({ spending }) => spending[rule]);
  if (Math.max(...spent) <= (1 + tolerance) * Math.min(...spent)) return;
  const list = arms.map(({ name, spending }) => `${name} ${spending[rule].toLocaleString('en')}`).join(', ');
  throw new LockstepError('CONFIG', `The arms do not have the same budget of ${spentName[rule]}: ${list}.`, {
    hint: 'Change the epochs of an arm (--set ARM:stages.0.epochs=…), or give another rule with --budget; none allows any.',
  });
}

export const spentName: Readonly<Record<Exclude<BudgetRule, 'none'>, string>> = {
  samples: 'training images',
  encoderPasses: 'encoder passes',
};
