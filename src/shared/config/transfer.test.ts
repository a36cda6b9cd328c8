import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { LockstepError } from '../errors.js';
import { configFields } from './fields.js';
import { readConfig } from './load.js';
import { normalizationPresets, presetOf } from './normalization.js';
import { parseConfig } from './parse.js';

const text = readFileSync(new URL('../../../configs/demo-contrastive.yaml', import.meta.url), 'utf8');
const read = (...set: string[]) => readConfig(text, 'c.yaml', set);

function complaintOf(...set: string[]): string {
  try {
    read(...set);
  } catch (error) {
    if (error instanceof LockstepError && error.code === 'CONFIG') return error.message;
    throw error;
  }
  throw new Error('the config was accepted');
}

describe('model.normalization', () => {
  it('is a preset by name, or numbers', () => {
    expect(read().model.normalization).toEqual(normalizationPresets.cifar10);
    expect(read('model.normalization=imagenet').model.normalization).toEqual({
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    });
    const own = read('model.normalization={mean: [0.1, 0.2, 0.3], order: bgr}').model.normalization;
    expect(own).toEqual({ mean: [0.1, 0.2, 0.3], std: normalizationPresets.cifar10.std, order: 'bgr' });
    expect(presetOf(own)).toBeUndefined();
  });

  it.each(['cifar10', 'imagenet', 'caffe', 'tf'] as const)('%s goes through the wire unchanged', (preset) => {
    const config = read(`model.normalization=${preset}`);
    const again = parseConfig(JSON.parse(JSON.stringify(config)), 'the wire');
    expect(again).toEqual(config);
    expect(presetOf(again.model.normalization)).toBe(preset);
  });
});

describe('model.init', () => {
  it('is a file, or a section', () => {
    expect(read().model.init).toBeUndefined();
    expect(read('model.init=w.safetensors').model.init).toEqual({ file: 'w.safetensors', classifier: false });
    const section = read('model.init={file: a.h5, classifier: true}').model.init;
    expect(section).toEqual({ file: 'a.h5', classifier: true });
  });
});

describe('a stage freezes', () => {
  const init = 'model.init=w.safetensors';

  it('the first parts of the encoder, or all of it', () => {
    expect(read(init, 'stages.0.freeze=stem', 'stages.1.freeze=stage1').stages).toMatchObject([
      { freeze: 'stem' },
      { freeze: 'stage1' },
    ]);
    // What a file or an earlier stage has trained.
    expect(read('stages.1.freeze=stage1').stages[1]).toMatchObject({ freeze: 'stage1' });
  });

  test.each([
    [[init, 'stages.0.freeze=stage4'], 'must be none or stem or stage1 or stage2 or stage3, not "stage4"'],
    [[init, 'stages.0.freeze=encoder'], 'must be none or stem or stage1 or stage2 or stage3'],
    [[init, 'stages.1.freeze=stge2'], 'did you mean stage2?'],
    [[init, 'stages.1.freeze=stage2'], 'can be stem or stage1 for the encoder tiny, not stage2'],
    [
      ['stages.0.freeze=stem'],
      'only after a stage that trains the encoder, or with first weights from a file',
    ],
  ])('%j: %s', (set, expected) => {
    expect(complaintOf(...set)).toContain(expected);
  });
});

test.each([
  [
    'model.normalization=imagnet',
    'must be cifar10 or imagenet or caffe or tf, not "imagnet": did you mean imagenet?',
  ],
  ['model.normalization={mean: [1, 2]}', 'model.normalization.mean'],
  ['model.normalization={men: [1, 2, 3]}', 'Unknown key model.normalization.men: did you mean mean?'],
  ['model.normalization=5', 'model.normalization must be cifar10 or imagenet or caffe or tf, not 5'],
  ['model.init={fil: a}', 'Unknown key model.init.fil: did you mean file?'],
  ['model.init={file: 3}', 'model.init.file must be a text, not 3'],
  ['model.init=[1]', 'model.init must be a text, not a list'],
  ['model.inputSize=31', 'model.inputSize must be at least 32'],
  ['model.encoder=resnet50v3', 'did you mean resnet50v2?'],
])('%s: %s', (set, expected) => {
  expect(complaintOf(set)).toContain(expected);
});

test('a classifier from a file needs a classifier', () => {
  const set = [
    'model={encoder: tiny, projection: {widths: [8]}, init: {file: a, classifier: true}}',
    'stages=[{name: a, objective: npairs, temperature: 1, epochs: 1, optimizer: {kind: adam}, learningRate: {decay: constant, peak: 1}}]',
  ];
  expect(complaintOf(...set)).toContain('model.init.classifier needs a classifier head');
});

test('the reference names both forms of a key, and the fields of its section', () => {
  const fields = new Map(configFields().map((field) => [field.path, field]));
  expect(fields.get('model.init')?.type).toBe('string or section');
  expect(fields.get('model.init.file')).toMatchObject({ required: true, type: 'string' });
  expect(fields.get('model.normalization.mean')?.only).toBeUndefined();
});
