/** What a stage's recipe may ask for, in whole runs: averages, loss scales, LARS, one cycle, and what ends a run that diverges. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRun } from '../src/coordinator/run-folder.js';
import { readInstallation } from '../src/shared/engine/installation.js';
import { Commands, computed, eventsOf } from './lockstep-command.js';

/** 4 steps an epoch. */
const text = `
name: recipe
data: { dataset: sample, limit: { train: 128, test: 100 }, augment: { crop: 0, flip: none } }
model: { encoder: tiny, classifier: {}, projection: { widths: [16] } }
batch: { microBatches: 4, microBatchSize: 8 }
evaluate: { batchSize: 50 }
checkpoint: { keep: 100 }
stages:
  - name: pretrain
    objective: npairs
    temperature: 0.1
    epochs: 1
    optimizer: { kind: adamw }
    learningRate: { decay: constant, peak: 0.005 }
    ema: { decay: 0.9 }
  - name: head
    objective: softmax
    freeze: encoder
    epochs: 1
    optimizer: { kind: sgd }
    learningRate: { decay: linear, peak: 0.1 }
  - name: train
    objective: softmax
    epochs: 2
    optimizer: { kind: lars, weightDecay: 1.0e-4, trustCoefficient: 0.1 }
    learningRate:
      decay: oneCycle
      peak: 1
      warmupEpochs: 1
      warmupStart: 0.1
      momentum: {}
      scaling: { rule: linear, baseBatch: 64 }
    learningRates: [{ match: encoder, factor: 0.5 }, { match: '*.beta', factor: 8 }]
    ema: { decay: 0.5 }
`;

let commands: Commands;
let config: string;
beforeEach(() => {
  commands = new Commands();
  config = join(commands.folder, 'config.yaml');
  writeFileSync(config, text);
});
afterEach(() => commands.end());

interface Result {
  readonly weightsDigest: string;
  readonly stages: readonly { readonly accuracy: number | null; readonly weights?: string }[];
}

async function train(out: string, workers: number, ...more: string[]) {
  const args = ['train', config, '--workers', `${workers}`, '--out', join(commands.folder, out), '--json'];
  const { code, stdout, stderr } = await commands.start([...args, ...more]).ended;
  expect(code, stderr).toBe(0);
  const run = join(commands.folder, out);
  return { run, stderr, result: JSON.parse(stdout) as Result, computed: await computed(run) };
}

async function failing(...more: string[]): Promise<string> {
  const out = join(commands.folder, 'failing');
  const { code, stderr } = await commands.start(['train', config, '--out', out, ...more]).ended;
  expect(code).toBe(1);
  return stderr.trim().split('\n').at(-1)!;
}

describe('AdamW, LARS, one cycle, rates of their own and averages', () => {
  it('come to the same bits on 1 and 3 workers, and say that averages were evaluated', async () => {
    const one = await train('one', 1);
    const three = await train('three', 3);
    expect(three.result.weightsDigest).toBe(one.result.weightsDigest);
    expect(three.computed).toEqual(one.computed);
    expect(one.result.stages.map(({ weights }) => weights)).toEqual(['ema', undefined, 'ema']);
    expect(one.stderr).toMatch(/test loss .* \(EMA weights\)/);
    const evaluations = await eventsOf(one.run, 'eval');
    expect(evaluations.map(({ weights }) => weights)).toEqual([undefined, 'ema', 'ema']);
    expect(one.stderr).toContain('learning rate times 0.5 (linear rule, global batch 32 / 64): peak 0.5,');
    expect((await readRun(one.run)).scaledLearningRates).toMatchObject([{ stage: 'train', peak: 0.5 }]);
    const rates = (await eventsOf(one.run, 'step')).slice(8).map(({ lr }) => lr);
    expect(rates[0]).toBeCloseTo(0.05, 12);
    expect(rates[4]).toBe(0.5);

    // The checkpoint holds them as its weights.
    const { stdout } = await commands.start(['eval', one.run, '--workers', '2', '--json']).ended;
    expect(JSON.parse(stdout)).toMatchObject({ accuracy: one.result.stages[2]!.accuracy, weights: 'ema' });

    // From between two stages: the next one starts from the averages, here with the features of the frozen encoder.
    rmSync(join(one.run, 'summary.json'));
    const checkpoints = join(one.run, 'checkpoints');
    expect(readdirSync(checkpoints)).toEqual(['00000004', '00000008', '00000012', '00000016']);
    for (const step of ['00000008', '00000012', '00000016']) {
      rmSync(join(checkpoints, step), { recursive: true });
    }
    const resumed = await train('one', 2, '--resume');
    expect(resumed.stderr).toContain('goes on after step 4');
    expect(resumed.result.weightsDigest).toBe(one.result.weightsDigest);
    expect(resumed.computed).toEqual(one.computed);
  });
});

describe('a loss scale', () => {
  it('leaves no trace in float32', async () => {
    // With LARS TensorFlow multiplies the trust ratio's factors in another order where the update is guarded.
    const sgd = ['--set', 'stages.2.optimizer={kind: sgd}', '--set', 'stages.2.learningRate.peak=0.1'];
    const none = await train('none', 1, ...sgd);
    const dynamic = await train('dynamic', 2, ...sgd, '--set', 'lossScale={kind: dynamic}');
    expect(dynamic.result.weightsDigest).toBe(none.result.weightsDigest);
    const steps = await eventsOf(dynamic.run, 'step');
    expect(new Set(steps.map(({ lossScale }) => lossScale))).toEqual(new Set([65_536]));
    expect((await eventsOf(none.run, 'step')).some(({ lossScale }) => lossScale !== undefined)).toBe(false);
  });

  it('that makes bfloat16 gradients overflow is halved until they do not', async () => {
    const { run } = await train(
      ...(['bfloat16', 2, '--set', 'precision=bfloat16'] as const),
      ...['--set', `lossScale={kind: dynamic, initial: ${2 ** 66}}`],
    );
    const steps = (await eventsOf(run, 'step')).filter(({ stage }) => stage === 'train');
    const skipped = steps.filter((step) => step.skipped);
    expect(skipped.length).toBeGreaterThan(0);
    expect(skipped.length).toBeLessThan(steps.length);
    expect(steps[0]!.lossScale).toBe(2 ** 66);
    for (const [i, { lossScale, skipped }] of steps.slice(0, -1).entries()) {
      expect(steps[i + 1]!.lossScale).toBe(lossScale! / (skipped ? 2 : 1));
    }
    expect(steps.every(({ gradNorm, skipped }) => Number.isFinite(gradNorm) !== (skipped ?? false))).toBe(
      true,
    );
  });
});

describe('a run ends with one line', () => {
  it('when its loss is no number, at once and with all workers', async () => {
    const line = await failing('--workers', '2', '--set', 'stages.0.learningRate.peak=1e30');
    expect(line).toMatch(
      /^lockstep: error: The (loss|norm of the gradients) is (NaN|Infinity) at step \d \(stage 'pretrain', learning rate 1e\+30\): the training has diverged\. Lower/,
    );
    const events = readFileSync(join(commands.folder, 'failing', 'metrics.jsonl'), 'utf8');
    expect(events).not.toContain('null');
  });

  it('when the device has no such precision', async () => {
    const precision = readInstallation().kind === 'cpu' ? 'float16' : 'bfloat16';
    const line = await failing('--set', `precision=${precision}`);
    expect(line).toMatch(/^lockstep: error: precision b?float16 needs a [CG]PU: .* Use b?float16 there/);
  });

  it('when a learning rate of its own is for nobody', async () => {
    const line = await failing('--set', 'stages.2.learningRates=[{match: clasifier, factor: 2}]');
    expect(line).toContain(
      "stages[2].learningRates[0].match 'clasifier' matches no parameter that stage 'train' trains: did you mean 'classifier'?",
    );
  });
});
