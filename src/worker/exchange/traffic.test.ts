import { describe, expect, it } from 'vitest';
import { allReduceTraffic } from '../../shared/plan/all-reduce-time.js';
import { sentBytes } from './reducer.js';

describe('the traffic of the reducer', () => {
  it('is what the model of its time counts', () => {
    for (const workers of [2, 3, 4, 8]) {
      const floats = 48_000_000;
      const sent = sentBytes({ rank: 0, worldSize: workers, microBatches: workers, buckets: [floats] });
      const model = allReduceTraffic({ workers, bytes: floats * 4 });
      // Memory for its own sum is counted once: it is sent N − 1 times.
      const own = (floats * 4) / workers;
      expect(sent + own * (workers - 2)).toBeCloseTo(model, -5);
    }
  });
});
