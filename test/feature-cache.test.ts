/** A head on a frozen encoder whose features are computed once: the bits of one that computes them in every epoch. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Commands, committed, endpointOf, eventsOf, workerPids } from './lockstep-command.js';
import { resultOf, undisturbed } from './small-run.js';

/** 1,030 images are 10 whole batches of 96, and a round of features more: 22 of its 96 rows pad it. */
const configText = (cache: 'auto' | 'never') => `
name: cached
data: { dataset: sample, limit: { train: 1030, test: 90 }, augment: { crop: 0, flip: none } }
model: { encoder: tiny, classifier: { hidden: [16], dropout: 0.2 }, projection: { widths: [16] } }
batch: { microBatches: 6, microBatchSize: 16 }
evaluate: { batchSize: 50, everyEpochs: 2 }
checkpoint: { everySteps: 4 }
stages:
  - name: pretrain
    objective: npairs
    temperature: 0.1
    epochs: 1
    optimizer: { kind: adam }
    learningRate: { decay: constant, peak: 0.005 }
  - name: head
    objective: softmax
    freeze: encoder
    cacheFeatures: ${cache}
    epochs: 4
    optimizer: { kind: sgd, weightDecay: 5.0e-4 }
    learningRate: { decay: cosine, peak: 0.05 }
  - name: tune
    objective: softmax
    epochs: 1
    optimizer: { kind: sgd }
    learningRate: { decay: constant, peak: 0.01 }
`;
/** Steps of the first stage. */
const pretrain = 10;
const expected = () => undisturbed(configText('never'));

let commands: Commands;
let config: string;
let out: string;
beforeEach(() => {
  commands = new Commands();
  config = join(commands.folder, 'config.yaml');
  out = join(commands.folder, 'run');
  writeFileSync(config, configText('auto'));
});
afterEach(() => commands.end());

const train = (workers: number, ...more: string[]) =>
  commands.start(['train', config, '--workers', `${workers}`, '--out', out, '--json', ...more]);
/** How often a round of features was done, by its number, in all starts of the run. */
const rounds = (): string[] => {
  const log = readFileSync(join(out, 'logs', 'coordinator.log'), 'utf8');
  return [...log.matchAll(/features of the frozen encoder: (\d+ of \d+) rounds/g)].map(([, done]) => done!);
};

describe('a stage that caches features', () => {
  it.each([1, 3])('comes to the bits of one that does not, with %d workers', async (workers) => {
    const { code, stdout, stderr } = await train(workers).ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(await expected());
    expect(rounds()).toEqual(['1 of 11', '11 of 11']);
  });

  it('computes them again for a worker that has joined in the middle of it', async () => {
    // With fewer than three the run waits, so the one that is started again joins in this stage.
    const { ended } = train(3, '--min-workers', '3');
    await committed(out, pretrain + 3);
    process.kill(workerPids(out)[1]!, 'SIGKILL');
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(await expected());
    const [event] = await eventsOf(out, 'generation');
    expect(event).toMatchObject({ stage: 'head', workers: 3 });
    expect(rounds()).toEqual(['1 of 11', '11 of 11', '1 of 11', '11 of 11']);
  });

  it('goes on with it after a signal, with another number of workers', async () => {
    const begun = train(2);
    await committed(out, pretrain + 5);
    begun.child.kill('SIGTERM');
    const { code } = await begun.ended;
    expect(code).toBe(0);
    expect(existsSync(join(out, 'summary.json'))).toBe(false);
    const { stdout } = await train(3, '--resume').ended;
    expect(await resultOf(out, stdout)).toEqual(await expected());
    expect(rounds()).toEqual(['1 of 11', '11 of 11', '1 of 11', '11 of 11']);
  });

  it('goes on without a worker that is lost while they are computed', async () => {
    const args = ['coordinator', config, '--workers', '2', '--bind', 'tcp://127.0.0.1:*'];
    const { ended } = commands.start([...args, '--out', out, '--json']);
    await endpointOf(out);
    const worker = (env = {}) => commands.start(['worker', '--join', join(out, 'join.json')], env);
    worker({ LOCKSTEP_FAULT: `throw@encode@${pretrain}` });
    worker();
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(await resultOf(out, stdout)).toEqual(await expected());
    const [event] = await eventsOf(out, 'generation');
    expect(event!.reason).toMatch(/^Lost rank \d on \S+ \(phase: encode, step \d+\): it failed/);
  });
});
