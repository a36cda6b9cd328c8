import { expect, it } from 'vitest';
import { contrastive, exampleData } from '../../../test/example-run.js';
import { stageResults } from './stage-results.js';

it('takes what the summary says of a run that has ended', () => {
  const [pretrain, head] = stageResults(exampleData(contrastive));
  expect(pretrain).toMatchObject({ epochs: 3, steps: 30, loss: 0.5, accuracy: undefined, best: undefined });
  expect(head).toMatchObject({ epochs: 2, steps: 20, loss: 0.5, accuracy: 0.4, best: 0.4 });
  expect(pretrain?.seconds).toBeCloseTo(30 * 0.064);
});

it('takes what there is of a run that goes on: the last evaluation, or the mean loss of the last epoch', () => {
  const [pretrain, head] = stageResults(exampleData({ ...contrastive, until: 43 }));
  // The mean of 4/21 … 4/30.
  expect(pretrain?.loss).toBeCloseTo(0.1589, 4);
  expect(head).toMatchObject({ epochs: 2, plannedEpochs: 2, steps: 13, loss: 2, accuracy: 0.2 });
});

it('has nothing to say of a stage that has not begun', () => {
  const [, head] = stageResults(exampleData({ ...contrastive, until: 3 }));
  expect(head).toMatchObject({ epochs: 0, steps: 0, loss: undefined, accuracy: undefined, seconds: 0 });
});
