/** Whether the data of a run is on this host. */

import { resolveDataset } from '../../../shared/data/resolve.js';
import { LockstepError } from '../../../shared/errors.js';
import { about, type Finding } from '../finding.js';
import type { Plan } from '../plan.js';

const { ok, warning, failure } = about('disk');

/** With a config its dataset; else CIFAR-10, which may be missing: the sample is always there. */
export async function dataFinding({ config }: Plan): Promise<Finding> {
  const name = config?.data.dataset ?? 'cifar10';
  try {
    const dataset = await resolveDataset(name);
    const [train, test] = [dataset.split('train').count, dataset.split('test').count];
    return ok('dataset', `${name}: ${train} training and ${test} test images`, {
      name,
      train,
      test,
      digest: dataset.digest,
    });
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    const advice = error.details.hint ?? 'See: lockstep data --help';
    const facts = { name };
    return config === undefined
      ? warning('dataset', error.message, advice, facts)
      : failure('dataset', error.message, advice, facts);
  }
}
