import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { configFields } from '../../shared/config/fields.js';
import { configReference } from '../../shared/config/reference.js';
import { packageRoot } from '../../shared/package-root.js';
import { spendingOf } from './budget.js';
import { loadStudy, studySchema, withSeed } from './study.js';

const configs = join(packageRoot, 'configs');
const text = readFileSync(join(configs, 'study-demo.yaml'), 'utf8');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-study-'));
  for (const name of readdirSync(configs)) {
    writeFileSync(join(folder, name), readFileSync(join(configs, name), 'utf8'));
  }
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The study of this text, in a folder with the configs. */
const load = (source: string, changes = {}) => {
  const path = join(folder, 's.yaml');
  writeFileSync(path, source);
  return loadStudy(path, changes);
};
/** What it says when it is refused, without the folder. */
const complaint = async (source: string, changes = {}): Promise<string> => {
  const error = await load(source, changes).then(
    () => new Error('it was accepted'),
    (cause: Error) => cause,
  );
  return error.message.replaceAll(`${folder}/`, '');
};

describe('a study', () => {
  test('names its arms, whose configs lie beside it', async () => {
    const study = await load(text);
    expect(study).toMatchObject({ name: 'demo', seeds: [1], budget: 'encoderPasses' });
    expect(study.arms.map(({ name, config }) => [name, config.name, config.stages[0]!.epochs])).toEqual([
      ['traditional', 'demo-traditional', 11],
      ['contrastive', 'demo-contrastive', 10],
    ]);
    expect(() => (study.arms as unknown[]).push(1)).toThrow(TypeError);
    expect(() => (study.seeds as unknown[]).push(1)).toThrow(TypeError);
  });

  test("has seeds of its own, which replace the configs'", async () => {
    const seeds = async (line: string, repeats?: number) =>
      (await load(`${line}\n${text}`, { repeats })).seeds;
    expect(await seeds('seeds: [5, 3]')).toEqual([5, 3]);
    expect(await seeds('seeds: [5, 3]', 1)).toEqual([5]);
    expect(await seeds('seeds: [5, 3]', 4)).toEqual([5, 3, 6, 7]);
    expect(await seeds('', 3)).toEqual([1, 2, 3]);
    const [arm] = (await load(text)).arms;
    expect(withSeed(arm!, 7)).toEqual({ ...arm!.config, seed: 7 });
  });

  test('is changed for all arms, or for one', async () => {
    const set = ['data.limit.train=512', 'contrastive:stages.1.optimizer={kind: adam}'];
    const { arms } = await load(text, { set, budget: 'none' });
    expect(arms.map(({ config }) => config.data.limit.train)).toEqual([512, 512]);
    expect(arms[1]!.config.stages[1]!.optimizer.kind).toBe('adam');
    expect(arms[0]!.set).toEqual(['stages.0.epochs=11', 'data.limit.train=512']);
  });

  test.each([
    ['arms:', 'armz:', 's.yaml:5: Unknown key armz: did you mean arms?'],
    [
      'config: demo-contrastive.yaml',
      'confg: x',
      's.yaml:10: Unknown key arms[1].confg: did you mean config?',
    ],
    [
      'budget: encoderPasses',
      'budget: sample',
      's.yaml:4: budget must be samples or encoderPasses or none, not "sample": did you mean samples?',
    ],
    ['name: demo', 'name: demo\nseeds: []', 's.yaml:4: seeds must have at least 1 entries.'],
    [
      'name: contrastive',
      'name: traditional',
      's.yaml:9: arms[1].name must be unique, but an earlier arm is called traditional too.',
    ],
    [
      'config: demo-contrastive.yaml',
      'config: nowhere.yaml',
      's.yaml, arm contrastive: nowhere.yaml: there is no such file.',
    ],
    [
      '[stages.0.epochs=11]',
      '[stages.0.clipNrm=1]',
      's.yaml, arm traditional: --set stages.0.clipNrm=1: Unknown key stages[0].clipNrm: did you mean clipNorm?',
    ],
    ['[stages.0.epochs=11]', '[seed=3]', 's.yaml, arm traditional: seed=3 has no place in an arm.'],
  ])('that is wrong: %s → %s', async (from, to, expected) => {
    expect(text).toContain(from);
    expect(await complaint(text.replace(from, to))).toBe(expected);
  });

  test('whose override names no arm, or whose arm classifies nothing', async () => {
    expect(await complaint(text, { set: ['contrastiv:stages.0.epochs=1'] })).toBe(
      '--set contrastiv:stages.0.epochs=1: there is no arm contrastiv.',
    );
    const pretrain = (await load(text)).arms[1]!.config.stages[0]!;
    writeFileSync(
      join(folder, 'p.yaml'),
      JSON.stringify({
        name: 'p',
        data: { dataset: 'sample' },
        model: { encoder: 'tiny', projection: { widths: [8] } },
        batch: { microBatches: 1, microBatchSize: 64 },
        stages: [pretrain],
      }),
    );
    expect(await complaint(text.replace('demo-contrastive', 'p'))).toMatch(
      /arm contrastive: no stage of .*p\.yaml trains a classifier/,
    );
  });
});

describe('every study in configs/', () => {
  const files = readdirSync(configs).filter((name) => name.startsWith('study-'));

  test('there are some', () => expect(files.length).toBeGreaterThanOrEqual(3));

  test.each(files)('%s is valid, named after its file, and keeps its budget', async (file) => {
    const study = await loadStudy(join(configs, file));
    expect(`study-${study.name}.yaml`).toBe(file);
    const spent = study.arms.map(({ config }) => spendingOf(config, 50_000));
    expect(study.budget).not.toBe('none');
    const rule = study.budget as 'samples' | 'encoderPasses';
    expect(spent[1]![rule] / spent[0]![rule]).toBeCloseTo(1, 2);
  });
});

test('docs/compare.md holds every key of a study', async () => {
  const path = join(packageRoot, 'docs', 'compare.md');
  const [begin, end] = [
    '<!-- reference: written from src/coordinator/compare/study.ts by `npx vitest run src/coordinator/compare --update` -->',
    '<!-- end of reference -->',
  ];
  const [before, rest] = readFileSync(path, 'utf8').split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${path} has lost its markers`);
  await expect(`${before}${begin}\n\n${configReference(studySchema)}\n\n${end}${after}`).toMatchFileSnapshot(
    path,
  );
  for (const { path: key, meaning } of configFields(studySchema)) expect(meaning, key).toMatch(/\.$/);
});
