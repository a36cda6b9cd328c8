import { describe, expect, it } from 'vitest';
import { allReduceTraffic } from '../../shared/plan/all-reduce-time.js';
import { sentBytes } from './reducer.js';

describe('the traffic of the reducer', () => {
  it('is what the model of its time counts', () => {
    for (const workers of [2, 3, 4, 8]) {
      const floats = 48_000_000;
      const sent = sentBytes({ rank: 0, worldSize: workers, microBatches: workers, buckets: [floats] });
      const model = allReduceTraffic({ workers, bytes: floats * 4 });
      // Its own sum is sent from where it is written, N − 1 times.
      const own = (floats * 4) / workers;
      expect(sent + own * (workers - 1)).toBeCloseTo(model, -5);
    }
  });
});
