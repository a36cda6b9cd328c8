/** Learning rates that a config has scaled by the global batch: what they come to, for people and for run.json. */
import { z } from 'zod';
import type { Config } from '../shared/config/schema.js';
import { scaledSchedule, scalingFactor } from '../shared/plan/schedule.js';

export const scaledRatesSchema = z.strictObject({
  stage: z.string(),
  rule: z.string(),
  globalBatch: z.int().positive(),
  baseBatch: z.int().positive(),
  /** What the rates in the config are multiplied by. */
  factor: z.number(),
  peak: z.number(),
  warmupStart: z.number(),
  final: z.number().optional(),
});
export type ScaledRates = z.infer<typeof scaledRatesSchema>;

/** One entry for each stage that asks for scaling. */
export function scaledRates({ stages, batch }: Config): ScaledRates[] {
  const globalBatch = batch.microBatches * batch.microBatchSize;
  return stages.flatMap(({ name: stage, learningRate }) => {
    const { scaling } = learningRate;
    if (scaling === undefined) return [];
    const scaled = scaledSchedule(learningRate, globalBatch);
    const { peak, warmupStart } = scaled;
    return {
      stage,
      ...scaling,
      globalBatch,
      factor: scalingFactor(learningRate, globalBatch),
      peak,
      warmupStart,
      ...('final' in scaled ? { final: scaled.final } : {}),
    };
  });
}

/** `stage train: learning rate times 2 (linear rule, global batch 512 / 256): peak 0.2` */
export function describeScaledRates({
  stage,
  rule,
  globalBatch,
  baseBatch,
  factor,
  ...rates
}: ScaledRates): string {
  const shown = Object.entries(rates).map(([name, rate]) => `${name} ${rate && Number(rate.toPrecision(6))}`);
  const ratio = `global batch ${globalBatch} / ${baseBatch}`;
  return `stage ${stage}: learning rate times ${Number(factor.toPrecision(6))} (${rule} rule, ${ratio}): ${shown.join(', ')}`;
}
