/** Samples over the control connection, for a worker whose host has no copy of the data. */

import type { FetchedSamples, Split } from '../shared/data/sample-source.js';
import { LockstepError } from '../shared/errors.js';
import type { CoordinatorLink } from './coordinator-link.js';

/** How a `RemoteSource` fetches. */
export function fetchFrom(link: CoordinatorLink) {
  return async (split: Split, ids: readonly number[]): Promise<FetchedSamples> => {
    const [images, labels] = await link.samples(split, ids);
    if (images === undefined || labels === undefined || labels.length !== ids.length) {
      throw new LockstepError(
        'PROTOCOL',
        `The coordinator sent ${labels?.length ?? 0} of ${ids.length} samples.`,
      );
    }
    return { images, labels };
  };
}
