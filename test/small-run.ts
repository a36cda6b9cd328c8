/** A small run in two stages, which tests disturb, and what it comes to when nobody does. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Commands, computed } from './lockstep-command.js';

export interface SmallRun {
  readonly microBatches: number;
  /** Of the contrastive stage, and of the traditional one. */
  readonly epochs: readonly [number, number];
  /** How images are augmented, beside the default. */
  readonly augment?: string;
  /** Lines of the config beside these. */
  readonly more: string;
}

/**
 * Both objectives, dropout, clipping, two optimisers, a schedule, averages, and a loss scale that grows until the squares
 * of gradients overflow, so that steps are skipped again and again.
 */
export function smallConfig({
  microBatches,
  epochs: [pretrain, train],
  augment = '{}',
  more,
}: SmallRun): string {
  return `
name: small
data: { dataset: sample, limit: { train: 1024, test: 100 }, augment: ${augment} }
model: { encoder: tiny, classifier: { hidden: [16], dropout: 0.2 }, projection: { widths: [16] } }
batch: { microBatches: ${microBatches}, microBatchSize: 16 }
evaluate: { batchSize: 50 }
lossScale: { kind: dynamic, initial: 1152921504606846976, growthInterval: 4 }
${more}
stages:
  - name: pretrain
    objective: npairs
    temperature: 0.1
    epochs: ${pretrain}
    optimizer: { kind: adamw }
    learningRate: { decay: constant, peak: 0.005 }
    learningRates: [{ match: '*.beta', factor: 4 }]
    ema: { decay: 0.9 }
  - name: train
    objective: softmax
    epochs: ${train}
    clipNorm: 0.4
    optimizer: { kind: sgd, weightDecay: 5.0e-4 }
    learningRate: { decay: cosine, peak: 0.05, warmupEpochs: 1 }
    ema: { decay: 0.95 }
`;
}

/** What a run came to: nothing of it may depend on the workers, nor on what happened to them. */
export interface SmallResult {
  readonly stages: unknown;
  readonly weightsDigest: string;
  readonly computed: readonly unknown[];
}

/** @param stdout what `train --json` printed */
export async function resultOf(run: string, stdout: string): Promise<SmallResult> {
  const { stages, weightsDigest } = JSON.parse(stdout) as Omit<SmallResult, 'computed'>;
  return { stages, weightsDigest, computed: await computed(run) };
}

let reference: Promise<SmallResult> | undefined;

/** The result of a config in one go on one worker; it runs once a test file, which has one config. */
export function undisturbed(config: string): Promise<SmallResult> {
  reference ??= (async () => {
    const commands = new Commands();
    try {
      const path = join(commands.folder, 'config.yaml');
      const out = join(commands.folder, 'run');
      writeFileSync(path, config);
      const { code, stdout, stderr } = await commands.start(['train', path, '--out', out, '--json']).ended;
      expect(code, stderr).toBe(0);
      return await resultOf(out, stdout);
    } finally {
      commands.end();
    }
  })();
  return reference;
}
