/** Runs that begin with weights from a file: the same bits everywhere, no file on workers or at a resume, and back out. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { InitialWeights } from '../src/coordinator/weights/initial-weights.js';
import { openWeights } from '../src/coordinator/weights/open.js';
import { listCheckpoints, openCheckpoint } from '../src/shared/checkpoint/checkpoint.js';
import { readConfig } from '../src/shared/config/load.js';
import { buildModel } from '../src/shared/model/model.js';
import { packageRoot } from '../src/shared/package-root.js';
import { writeTorchFile } from './formula-file.js';
import { torchValues } from './formula-weights.js';
import { Commands, committed, computed, endpointOf, eventsOf, workerPids } from './lockstep-command.js';

const entry = join(packageRoot, 'dist', 'cli', 'main.js');
const rest = 'epochs: 1, optimizer: { kind: sgd }, learningRate: { decay: constant, peak: 0.05 }';
/** Contrastive with a frozen stem, a head on the frozen encoder, and all but the first two parts tuned; 2 steps each. */
const configText = (init: string) => `
name: transfer
data: { dataset: sample, limit: { train: 128, test: 50 } }
model:
  encoder: tiny
  projection: { widths: [16] }
  classifier: {}
  batchNorm: { epsilon: 1.0e-5 }
  normalization: imagenet
  inputSize: 40
  init: ${init}
batch: { microBatches: 4, microBatchSize: 16 }
evaluate: { batchSize: 50 }
checkpoint: { keep: 20 }
stages:
  - { name: pretrain, objective: npairs, temperature: 0.1, freeze: stem, ${rest} }
  - { name: head, objective: softmax, freeze: encoder, ${rest} }
  - { name: tune, objective: softmax, freeze: stage1, ${rest} }
`;

/** One run on one worker that nothing happens to; its folder lives as long as this file's tests. */
const shared = new Commands();
const weights = join(shared.folder, 'w.safetensors');
const reference = join(shared.folder, 'run');
let stderr: string;
let expected: { weightsDigest: string };
beforeAll(async () => {
  const config = join(shared.folder, 'config.yaml');
  writeFileSync(config, configText(weights));
  await writeTorchFile(weights, buildModel(readConfig(configText(weights), 'test').model));
  const ended = await shared.start(['train', config, '--out', reference, '--json']).ended;
  expect(ended.code, ended.stderr).toBe(0);
  ({ stderr } = ended);
  expected = JSON.parse(ended.stdout);
});
afterAll(() => shared.end());

let commands: Commands;
let folder: string;
let config: string;
beforeEach(async () => {
  commands = new Commands();
  ({ folder } = commands);
  config = join(folder, 'config.yaml');
  writeFileSync(config, configText(weights));
});
afterEach(() => commands.end());

/** The weights of the run's checkpoint that is `back` from its last. */
async function tensorsOf(run: string, back: number): Promise<Map<string, Float32Array>> {
  const checkpoint = await openCheckpoint((await listCheckpoints(run)).at(-1 - back)!);
  const tensors = new Map<string, Float32Array>();
  for (const { name, file } of checkpoint.tensors) {
    if (file === 'weights') tensors.set(name, new Float32Array((await checkpoint.read(name)).buffer));
  }
  await checkpoint.close();
  return tensors;
}

const partOf = (name: string) => /^encoder\.(?:conv|bn)(\d)\./.exec(name)?.[1] ?? name.split('.')[0]!;

describe('first weights from a file', () => {
  it('are said in the log and in run.json, with what was left out', () => {
    expect(stderr).toMatch(/first weights: 15 tensors of .*w\.safetensors \(torchvision, SHA-256 /);
    expect(stderr).toContain('left out on purpose: fc.weight, fc.bias');
    const { initialWeights } = JSON.parse(readFileSync(join(reference, 'run.json'), 'utf8'));
    expect(initialWeights).toMatchObject({ file: weights, naming: 'torchvision' });
    expect(initialWeights.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('frozen parts keep them, statistics and all, and everything else moves', async () => {
    const [afterPretrain, afterHead, afterTune] = [
      await tensorsOf(reference, 2),
      await tensorsOf(reference, 1),
      await tensorsOf(reference, 0),
    ];
    const file = await openWeights(weights);
    for (const [name, values] of afterPretrain) {
      const part = partOf(name);
      const changed = (before: Float32Array | undefined, after: Float32Array | undefined) =>
        !Buffer.from(before!.buffer).equals(Buffer.from(after!.buffer));
      // Vectors have one layout; a kernel's is the business of the round trip.
      if (part === '1' && values.length === 16) {
        const theirs = file.naming.nameOf(name)!;
        expect(values, name).toEqual(torchValues(theirs, [16]));
      }
      const found = [changed(values, afterHead.get(name)), changed(afterHead.get(name), afterTune.get(name))];
      const [head, tune] = { classifier: [true, true], '3': [false, true] }[part] ?? [false, false];
      expect(found, name).toEqual([head, tune]);
    }
    await file.close();
  });

  it('1, 2 and 3 workers come to the same bits', async () => {
    const { code, stdout, stderr } = await commands.start(['verify', config, '--workers', '1,2,3', '--json'])
      .ended;
    expect(code, stderr).toBe(0);
    const { equal, runs } = JSON.parse(stdout);
    expect(equal).toBe(true);
    expect(runs[0].weightsDigest).toBe(expected.weightsDigest);
  });

  it('a run that goes on does not need the file', async () => {
    const copy = join(folder, 'copy.safetensors');
    writeFileSync(copy, readFileSync(weights));
    const text = configText(copy).replace('checkpoint: {', 'checkpoint: { everySteps: 1,');
    writeFileSync(config, text);
    const out = join(folder, 'run');
    const train = (workers: number) =>
      commands.start(['train', config, '--workers', `${workers}`, '--out', out, '--resume', '--json']);
    const first = train(2);
    await committed(out, 1);
    first.child.kill('SIGTERM');
    expect((await first.ended).code).toBe(0);
    rmSync(copy);
    const second = await train(3).ended;
    expect(second.code, second.stderr).toBe(0);
    expect(JSON.parse(second.stdout).weightsDigest).toBe(expected.weightsDigest);
    expect(await computed(out)).toEqual(await computed(reference));
  });

  it('only the coordinator reads it, relative to where it runs; a worker lost meanwhile costs nothing', async () => {
    writeFileSync(join(folder, 'here.safetensors'), readFileSync(weights));
    writeFileSync(config, configText('here.safetensors'));
    const out = join(folder, 'run');
    const args = ['coordinator', config, '--workers', '2', '--bind', 'tcp://127.0.0.1:*', '--out', out];
    const inFolder = ['-c', 'cd "$0" && exec "$@"', folder, process.execPath, entry];
    const coordinator = commands.startProgram('sh', [...inFolder, ...args, '--json']);
    await endpointOf(out);
    const worker = (env = {}) => commands.start(['worker', '--join', join(out, 'join.json')], env);
    // It is asked for its tensors, or given those of the file.
    worker({ LOCKSTEP_FAULT: 'kill@checkpoint@0' });
    await expect.poll(() => workerPids(out).length, { timeout: 30_000 }).toBe(1);
    const other = worker();
    const { code, stdout, stderr } = await coordinator.ended;
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).weightsDigest).toBe(expected.weightsDigest);
    expect((await other.ended).code).toBe(0);
    const [generation] = await eventsOf(out, 'generation');
    expect(generation).toMatchObject({ workers: 1, step: 0 });
  });
});

describe('a file that does not fit', () => {
  it('is one line before anything starts: no run folder is made', async () => {
    const out = join(folder, 'run');
    const set = ['--set', 'model.encoder=resnet18', '--out', out];
    const { code, stderr } = await commands.start(['train', config, ...set]).ended;
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(
      'holds convolutions without residual blocks (torchvision), model.encoder is resnet18',
    );
    const none = await commands.start(['train', config, '--set', 'model.init=none.h5', '--out', out]).ended;
    expect(none.stderr).toContain('none.h5: there is no such file.');
    expect(() => readFileSync(join(out, 'run.json'))).toThrow('ENOENT');
  });

  it('a classifier of another shape is named, and all workers end', async () => {
    const out = join(folder, 'run');
    const set = ['--set', `model.init={file: ${weights}, classifier: true}`, '--set'];
    const { code, stderr } = await commands.start([
      ...['train', config, '--out', out, '--workers', '2'],
      ...[...set, 'model.classifier={hidden: [8]}'],
    ]).ended;
    expect(code).toBe(1);
    expect(stderr).toContain(
      'does not fit the model: missing: classifier.1.kernel, classifier.1.bias; misshapen: fc.weight [32,10] where the model has [32,8], fc.bias [10] where the model has [8].',
    );
    for (const pid of workerPids(out)) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('a run that begins again begins from the same file', async () => {
    const initial = (await InitialWeights.open(readConfig(configText(weights), 'test')))!;
    expect(() => initial.mustBe(initial.record)).not.toThrow();
    const other = { ...initial.record, sha256: '0'.repeat(64) };
    expect(() => initial.mustBe(other)).toThrow(/w\.safetensors has changed since the run began/);
    await initial.close();
  });
});

it('a run folder is a file of weights too: its last checkpoint', async () => {
  const file = await openWeights(reference);
  expect(file.naming.title).toBe('Lockstep');
  expect(file.epsilon).toBe(1e-5);
  const last = await tensorsOf(reference, 0);
  expect([...file.tensors.keys()].sort()).toEqual([...last.keys()].sort());
  expect(await file.tensors.get('encoder.conv3.kernel')!.read()).toEqual(last.get('encoder.conv3.kernel'));
  await file.close();
});

describe('lockstep export', () => {
  const exportTo = (format: string, out: string, run = reference) =>
    commands.start(['export', run, '--format', format, '--out', out]).ended;

  it.each(['torchvision', 'lockstep'])('%s: what a run begins from again, all of it', async (format) => {
    const out = join(folder, 'out.safetensors');
    const { code, stdout, stderr } = await exportTo(format, out);
    expect(code, stderr).toBe(0);
    const rest = format === 'lockstep' ? '' : '; without projection.0.kernel, projection.0.bias';
    expect(stdout).toMatch(new RegExp(`: ${format === 'lockstep' ? 19 : 17} tensors of .*${rest}\n$`));
    const file = await openWeights(out);
    expect(file.epsilon).toBe(1e-5);
    if (format !== 'lockstep') {
      // The stem was frozen: it is what the first file held, in PyTorch's layout.
      const stem = file.tensors.get('conv1.weight')!;
      expect(stem.shape).toEqual([16, 3, 3, 3]);
      expect(await stem.read()).toEqual(torchValues('conv1.weight', [16, 3, 3, 3]));
      const timm = join(folder, 'timm.safetensors');
      expect((await exportTo('timm', timm)).code).toBe(0);
      expect(readFileSync(timm).equals(readFileSync(out))).toBe(true);
    }
    await file.close();
    // Trained no further, the weights are those of the run.
    const again = join(folder, 'again');
    const sets = [
      `model.init={file: ${out}, classifier: true}`,
      'stages=[{name: a, objective: softmax, freeze: encoder, epochs: 1, optimizer: {kind: sgd}, learningRate: {decay: constant, peak: 1.0e-30}}]',
    ];
    writeFileSync(config, configText(weights).replace('  projection: { widths: [16] }\n', ''));
    const run = await commands.start([
      ...['train', config, '--out', again, '--json'],
      ...sets.flatMap((set) => ['--set', set]),
    ]).ended;
    expect(run.code, run.stderr).toBe(0);
    const before = await tensorsOf(reference, 0);
    for (const [name, values] of await tensorsOf(again, 0)) expect(values, name).toEqual(before.get(name));
  });

  it('refuses a file that is there, an encoder that a format does not have, and a folder that is no run', async () => {
    expect((await exportTo('torchvision', weights)).stderr).toContain('w.safetensors is there already.');
    const keras = await exportTo('keras', join(folder, 'a.h5'));
    expect(keras.stderr).toContain(
      'Keras has no network like the encoder tiny. For it there is --format torchvision or timm or lockstep.',
    );
    expect((await exportTo('keras', join(folder, 'a.weights.h5'))).stderr).toContain('not in .weights.h5');
    expect((await exportTo('timm', join(folder, 'a'), folder)).stderr).toContain('is no checkpoint');
  });
});
