import { describe, expect, it } from 'vitest';
import { allReduceMs } from './all-reduce-time.js';

describe('the time of an all-reduce', () => {
  it('is two latencies and the traffic of a ring', () => {
    expect(allReduceMs({ workers: 4, bytes: 1e6 }, { latencyMs: 3, bytesPerSecond: 1e7 })).toBe(6 + 150);
    expect(allReduceMs({ workers: 1, bytes: 1e6 }, { latencyMs: 3, bytesPerSecond: 1e7 })).toBe(0);
  });
});
