import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LockstepError } from '../errors.js';
import { configDigest } from './digest.js';
import { loadConfig, readConfig } from './load.js';
import { parseConfig } from './parse.js';

const folder = new URL('../../../configs/', import.meta.url);
const pathOf = (name: string): string => new URL(name, folder).pathname;
const text = readFileSync(new URL('demo-contrastive.yaml', folder), 'utf8');

/** The line that a user sees. */
function complaintOf(source: string, ...set: string[]): string {
  try {
    readConfig(source, 'c.yaml', set);
  } catch (error) {
    if (error instanceof LockstepError && error.code === 'CONFIG') return error.message;
    throw error;
  }
  throw new Error('the config was accepted');
}

/** The number of the first line that holds a text. */
const lineOf = (part: string): number => text.split('\n').findIndex((line) => line.includes(part)) + 1;

describe('every file in configs/', () => {
  // Studies are not configs: src/coordinator/compare/study.test.ts has them.
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml') && !name.startsWith('study-'));

  test('there are some', () => expect(files.length).toBeGreaterThanOrEqual(6));

  test.each(files)('%s is valid, and named after its file', async (file) => {
    const config = await loadConfig(pathOf(file));
    expect(`${config.name}.yaml`).toBe(file);
  });
});

describe('a config', () => {
  test('has all defaults and is frozen all the way down', () => {
    const config = readConfig(text, 'c.yaml');
    expect(config).toMatchObject({
      precision: 'float32',
      threads: 1,
      model: { stem: 'cifar', batchNorm: { momentum: 0.9, epsilon: 1.001e-5, statistics: 'microBatch' } },
      exchange: { bucketBytes: 4_194_304, sharedMemory: 'auto', encryption: 'auto' },
      deadlines: { heartbeatSeconds: 5 },
    });
    expect(() => Object.assign(config.stages[0]!.optimizer, { weightDecay: 1 })).toThrow(TypeError);
    expect(() => (config.stages as unknown[]).push(1)).toThrow(TypeError);
  });

  test('goes through the wire and the checks unchanged', () => {
    const config = readConfig(text, 'c.yaml');
    const again = parseConfig(JSON.parse(JSON.stringify(config)), 'the coordinator');
    expect(again).toEqual(config);
    expect(configDigest(again)).toBe(configDigest(config));
  });

  test('has a digest that the order of keys does not change, and every value does', () => {
    const config = readConfig(text, 'c.yaml');
    const { name, ...rest } = config;
    expect(configDigest({ ...rest, name })).toBe(configDigest(config));
    expect(configDigest(readConfig(text, 'c.yaml', ['stages.1.epochs=4']))).not.toBe(configDigest(config));
    expect(configDigest(config)).toMatch(/^[0-9a-f]{64}$/);
    const later = ['deadlines.connectSeconds=300', 'checkpoint.keep=9', 'recovery.restarts=0'];
    expect(configDigest(readConfig(text, 'c.yaml', later))).toBe(configDigest(config));
  });
});

describe('--set', () => {
  test('changes fields, list entries and whole sections, in order', () => {
    const config = readConfig(text, 'c.yaml', [
      'seed=1',
      'seed=7',
      'stages.0.epochs=5',
      'stages[1].optimizer={kind: adam, beta1: 0.8}',
      'data.limit.train=512',
      'model.projection.widths.0=64',
      'model.projection.widths.1=32',
      'name="7"',
    ]);
    expect(config).toMatchObject({ seed: 7, name: '7', data: { limit: { train: 512 } } });
    expect(config.stages[0]!.epochs).toBe(5);
    expect(config.stages[1]!.optimizer).toMatchObject({ kind: 'adam', beta1: 0.8, beta2: 0.999 });
    expect(config.model.projection!.widths).toEqual([64, 32]);
  });

  test('fills a section that the file leaves empty', () => {
    const config = readConfig(text.replace('data:\n  dataset: sample', 'data:'), 'c.yaml', [
      'data.dataset=cifar10',
    ]);
    expect(config.data.dataset).toBe('cifar10');
  });

  test('is named when it is what is wrong', () => {
    expect(complaintOf(text, 'stages.0.epochs=0')).toBe(
      '--set stages.0.epochs=0: stages[0].epochs must be at least 1, not 0.',
    );
    expect(complaintOf(text, 'seed')).toContain('is not of the form key.path=value');
    expect(complaintOf(text, '=1')).toContain('is not of the form key.path=value');
    expect(complaintOf(text, 'seed=[1')).toContain('not valid YAML');
    expect(complaintOf(text, 'stages.3.epochs=1')).toContain('finds no entry 3 in stages');
    expect(complaintOf(text, 'stages.x.epochs=1')).toContain('finds no entry x in stages');
    expect(complaintOf(text, 'name.first=1')).toContain('leads through name, which is no section');
    expect(complaintOf(text, '__proto__.seed=3')).toContain('Unknown key __proto__');
  });
});

describe('an error says file, line, key and what is expected', () => {
  test('an unknown key, and the nearest known one', () => {
    expect(complaintOf(text.replace('optimizer:', 'optimzer:'))).toBe(
      `c.yaml:${lineOf('optimizer:')}: Unknown key stages[0].optimzer: did you mean optimizer?`,
    );
    expect(complaintOf(text, 'model.batchNorm.momentun=0.5')).toContain('did you mean momentum?');
    expect(complaintOf(text, 'sead=3')).toContain('known are name, seed,');
  });

  test('a key that belongs to another kind of its section', () => {
    expect(complaintOf(text, 'stages.1.temperature=0.1')).toContain(
      'stages[1].temperature is for objective: npairs, supcon or ntxent only: remove it, or change the objective',
    );
    expect(complaintOf(text, 'stages.1.temperatur=0.1')).toContain('did you mean temperature?');
    expect(complaintOf(text, 'stages.0.margin=0.1')).toContain('margin is for objective: triplet only');
    expect(complaintOf(text, 'stages.0.learningRate.decay=step')).toContain(
      'milestones is missing: it must be a list',
    );
    expect(complaintOf(text, 'stages.0.optimizer.beta1=0.5')).toContain(
      'beta1 is for kind: adam or adamw only',
    );
  });

  test.each([
    ['batch.microBatches=2.5', 'batch.microBatches must be a whole number, not 2.5.'],
    ['batch.microBatches="4"', 'batch.microBatches must be a number, not "4".'],
    ['batch=', 'batch must be a section (key: value), not null.'],
    ['seed=-1', 'seed must be at least 0, not -1.'],
    ['name=a/b', 'name must be letters, digits, dot, dash and underscore'],
    ['precision=bfloat', 'precision must be float32 or bfloat16 or float16, not "bfloat": did you mean'],
    ['lossScale={kind: fixed, value: 1000}', 'lossScale.value is wrong: it is no power of two'],
    ['stages.0.ema={decay: 1}', 'stages[0].ema.decay must be below 1, not 1.'],
    [
      'stages.0.learningRates=[{match: encoder, factor: 0}]',
      'learningRates[0].factor must be above 0, not 0.',
    ],
    ['stages=[]', 'stages must have at least 1 entries.'],
    ['model.classifier.dropout=1', 'model.classifier.dropout must be below 1, not 1.'],
    ['model.projection.widths=[]', 'model.projection.widths must have at least 1 entries.'],
    ['model.normalization.std=[1, 0, 1]', 'model.normalization.std[1] must be above 0, not 0.'],
    ['stages.0.views=3', 'stages[0].views must be 1 or 2, not 3.'],
    ['stages.1.labelSmoothing=1', 'stages[1].labelSmoothing must be below 1, not 1.'],
    [
      'stages.0={name: a, objective: triplet, margin: 2, epochs: 1, optimizer: {kind: adam}, learningRate: {decay: constant, peak: 1}}',
      'stages[0].margin must be below 2, not 2.',
    ],
    [
      'stages.0.objective=supkon',
      'must be softmax or npairs or supcon or ntxent or triplet, not "supkon": did you mean supcon?',
    ],
    ['stages.0.optimizer.kind=adma', 'must be sgd or lars or adam or adamw, not "adma": did you mean adam?'],
    [
      'data.augment.flip=alternate',
      'data.augment.flip must be none or random or alternating, not "alternate": did you mean alternating?',
    ],
    ['data.augment.hue=0.1', 'Unknown key data.augment.hue: known are crop, flip,'],
    ['stages.0.augment.zom=0.1', 'Unknown key stages[0].augment.zom: did you mean zoom?'],
    ['data.augment.colorJitter={hue: 0.7}', 'data.augment.colorJitter.hue must be at most 0.5, not 0.7.'],
    ['deadlines.stepSeconds=.inf', 'deadlines.stepSeconds must be a number, not Infinity.'],
  ])('%s', (set, expected) => {
    expect(complaintOf(text, set)).toContain(expected);
  });

  test.each([
    [['model.encoder=tiny', 'model.stem=imagenet'], 'model.stem must be cifar with the encoder tiny'],
    [
      ['model.encoder=resnet18', 'model.widths=[8,8,8]'],
      'model.widths belongs to the encoder airbench, not to resnet18',
    ],
    [
      ['model.encoder=resnet50v2', 'model.batchNorm.zeroInit=true'],
      'model.batchNorm.zeroInit must be false with the encoder resnet50v2',
    ],
  ])('%j', (sets, expected) => {
    expect(complaintOf(text, ...sets)).toContain(expected);
  });

  test.each([
    ['stages.1.name=pretrain', 'stages[1].name must be unique'],
    [
      'stages.1.learningRate={decay: constant, peak: 1, warmupStart: 0.1}',
      'stages[1].learningRate.warmupStart needs warmupEpochs above 0',
    ],
    [
      'data.augment.resizedCrop={}',
      'data.augment.crop must be 0 where there is a resizedCrop, not 4: an image is cropped once (write crop: 0).',
    ],
    [
      'stages.0.augment={crop: 0, resizedCrop: {scale: [1, 0.2]}}',
      'stages[0].augment.resizedCrop.scale must ascend, not 1, 0.2.',
    ],
    [
      'stages.0.learningRate.warmupEpochs=11',
      "stages[0].learningRate.warmupEpochs must be at most the stage's epochs, 10",
    ],
    ['stages.0.learningRate.final=1', 'stages[0].learningRate.final must be at most peak, 0.1, not 1.'],
    [
      'stages.0={name: a, objective: ntxent, views: 1, temperature: 0.5, epochs: 1, optimizer: {kind: adam}, learningRate: {decay: constant, peak: 1}}',
      'stages[0].views must be 2 with the objective ntxent, which compares the views of an image, not 1.',
    ],
    [
      'stages.0={name: a, objective: ntxent, augment: {crop: 0, flip: none}, temperature: 0.5, epochs: 1, optimizer: {kind: adam}, learningRate: {decay: constant, peak: 1}}',
      'stages[0].views can be 2 only where images are augmented (data.augment): both views would be the same.',
    ],
    ['stages.0.optimizer.momentum=0', 'stages[0].optimizer.nesterov must be false when momentum is 0.'],
    [
      'stages.0.learningRate={decay: linear, peak: 0.1, final: 1}',
      'stages[0].learningRate.final must be at most peak, 0.1, not 1.',
    ],
    [
      'stages.0.learningRate={decay: oneCycle, peak: 0.1}',
      'stages[0].learningRate.warmupEpochs must be above 0 with decay: oneCycle, whose first part it is.',
    ],
    [
      'stages.0.learningRate={decay: oneCycle, peak: 0.1, warmupEpochs: 1, momentum: {low: 0.97}}',
      'stages[0].learningRate.momentum.low must be at most high, 0.95, not 0.97.',
    ],
    [
      'stages.1.learningRate={decay: step, peak: 1, milestones: [2, 1]}',
      'learningRate.milestones must ascend, not 2, 1.',
    ],
    [
      'stages.1.learningRate={decay: step, peak: 1, milestones: [3]}',
      "must lie before the stage's end, epoch 3.",
    ],
    [
      'stages.1.learningRate={decay: step, peak: 1, warmupEpochs: 2, milestones: [1]}',
      'must lie after the warm-up, epoch 2.',
    ],
  ])('fields that disagree: %s', (set, expected) => {
    expect(complaintOf(text, set)).toContain(expected);
  });

  test('heads that stages need, or that none uses', () => {
    expect(complaintOf(text.replace('  classifier: {}\n', ''))).toContain('model needs a classifier head');
    expect(complaintOf(text.replace(/ {2}projection: .*\n/, ''))).toContain('model needs a projection head');
    const second =
      'stages=[{name: a, objective: softmax, epochs: 1, optimizer: {kind: adam}, learningRate: {decay: constant, peak: 1}}]';
    expect(complaintOf(text, second)).toContain('model.projection is used by no stage');
    const first =
      'stages=[{name: a, objective: npairs, temperature: 1, epochs: 1, optimizer: {kind: adam}, learningRate: {decay: constant, peak: 1}}]';
    expect(complaintOf(text, first)).toContain('model.classifier is used by no stage');
    const frozen = second.replace('name: a', 'name: a, freeze: encoder');
    expect(complaintOf(text.replace(/ {2}projection: .*\n/, ''), frozen)).toContain(
      'stages[0].freeze can be encoder only after a stage that trains the encoder',
    );
  });

  test('files that are no config at all', async () => {
    expect(complaintOf('')).toBe('c.yaml: the file is empty.');
    expect(complaintOf('- 1')).toBe('c.yaml: a config is a section (key: value) at the top.');
    expect(complaintOf('name: a\nseed: [1')).toMatch(/^c\.yaml:\d: not valid YAML: /);
    expect(complaintOf(`${text}\nname: again`)).toMatch(
      /^c\.yaml:\d+: not valid YAML: Map keys must be unique/,
    );
    await expect(loadConfig('/nowhere/c.yaml')).rejects.toMatchObject({
      code: 'CONFIG',
      message: '/nowhere/c.yaml: there is no such file.',
    });
  });
});
