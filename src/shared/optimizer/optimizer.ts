/** Optimisers by fused operations, TensorFlow's or our own, on the device. */
import type { OptimizerConfig } from '../config/schema.js';
import type { Device } from '../engine/device.js';
import type { Trace } from '../engine/trace.js';
import { adam, adamW } from './adam.js';
import { lars } from './lars.js';
import { power } from './power.js';
import { sgd } from './sgd.js';
import type { Update } from './update.js';

/** What an optimiser remembers of each weight; zeros before the first step. */
export function slotNames({ kind }: OptimizerConfig): readonly string[] {
  return kind === 'sgd' || kind === 'lars' ? ['momentum'] : ['adam-m', 'adam-v'];
}

/** Declares the optimiser's inputs in a trace (what `optimizerFeeds` gives) and returns how it updates a weight. */
export function optimizer(t: Trace, config: OptimizerConfig, device: Device): Update {
  switch (config.kind) {
    case 'sgd':
      return sgd(t, config, device);
    case 'lars':
      return lars(t, config);
    case 'adam':
      return adam(t, config);
    case 'adamw':
      return adamW(t, config);
  }
}

/** What an update depends on beside gradients. */
export interface UpdateInput {
  readonly learningRate: number;
  /** In place of the optimiser's momentum or beta1, where it is scheduled. */
  readonly momentum?: number | undefined;
  /** The number of this update, counted from 1 at the beginning of the stage. */
  readonly update: number;
}

/** The inputs' values. */
export function optimizerFeeds(
  config: OptimizerConfig,
  { learningRate, momentum, update }: UpdateInput,
): Readonly<Record<string, readonly number[]>> {
  if (config.kind === 'sgd' || config.kind === 'lars') {
    return { learningRate: [learningRate], momentum: [momentum ?? config.momentum] };
  }
  const { kind, beta2, epsilon } = config;
  const beta1 = momentum ?? config.beta1;
  // β^t is taken here, in float64, once for all weights.
  const secondPower = power(beta2, update);
  return {
    learningRate: [learningRate],
    beta1: [beta1],
    beta1Power: [power(beta1, update)],
    beta2Power: [secondPower],
    epsilon: [kind === 'adamw' ? epsilon * Math.sqrt(1 - secondPower) : epsilon],
  };
}
