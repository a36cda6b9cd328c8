import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../shared/config/load.js';
import { packageRoot } from '../../shared/package-root.js';
import { checkBudget, spendingOf } from './budget.js';
import { differences } from './differences.js';

const load = (name: string, ...set: string[]) => loadConfig(join(packageRoot, 'configs', name), { set });
const traditional = await load('demo-traditional.yaml');
const contrastive = await load('demo-contrastive.yaml');

test('what an arm spends: a frozen encoder goes forward only', () => {
  // 31 whole batches of 256 in 8,000 images.
  const epoch = 31 * 256;
  expect(spendingOf(traditional, 8000)).toEqual({ samples: 10 * epoch, encoderPasses: 30 * epoch });
  expect(spendingOf(contrastive, 8000)).toEqual({ samples: 13 * epoch, encoderPasses: 33 * epoch });
});

test('every view of an image is a pass', async () => {
  const views = await load('demo-contrastive.yaml', 'stages.0.objective=supcon', 'stages.0.views=2');
  const epoch = 31 * 256;
  expect(spendingOf(views, 8000)).toEqual({ samples: 13 * epoch, encoderPasses: 63 * epoch });
});

test('features that are computed once cost every image one pass, however many epochs use them', async () => {
  const cached = await load('demo-contrastive.yaml', 'data.augment={crop: 0, flip: none}');
  const epoch = 31 * 256;
  expect(spendingOf(cached, 8000)).toEqual({ samples: 13 * epoch, encoderPasses: 30 * epoch + 8000 });
});

test('a budget is kept within 1 %, or the arms are named with what they spend', () => {
  const arms = (samples: number, encoderPasses: number) => [
    { name: 'a', spending: { samples: 10_000, encoderPasses: 30_000 } },
    { name: 'b', spending: { samples, encoderPasses } },
  ];
  checkBudget('samples', arms(10_100, 1));
  checkBudget('samples', arms(9_901, 1));
  checkBudget('encoderPasses', arms(1, 30_300));
  checkBudget('none', arms(1, 1));
  expect(() => checkBudget('samples', arms(10_101, 30_000))).toThrow(
    'The arms do not have the same budget of training images: a 10,000, b 10,101.',
  );
  expect(() => checkBudget('encoderPasses', arms(10_000, 29_000))).toThrow(
    /encoder passes: a 30,000, b 29,000/,
  );
});

test('settings in which arms differ are named, but for those that may', async () => {
  const other = await load(
    'demo-contrastive.yaml',
    ...['data.augment.crop=2', 'batch.microBatches=8', 'model.classifier.hidden=[8]', 'data.limit.train=512'],
    ...['seed=9', 'checkpoint.keep=1', 'evaluate.batchSize=100'],
  );
  const arms = (config: typeof other) => [
    { name: 'a', config: traditional },
    { name: 'b', config },
  ];
  expect(differences(arms(contrastive))).toEqual([]);
  expect(differences(arms(other)).sort()).toEqual([
    'batch.microBatches is 4 for a, 8 for b',
    'data.augment.crop is 4 for a, 2 for b',
    'data.limit.train is not set for a, 512 for b',
    'model.classifier.hidden is [] for a, [8] for b',
  ]);
});
