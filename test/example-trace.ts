/** A traced step with made-up times: two ranks, of which the second begins 10 ms later and waits for the first. */
import type { TraceEvent } from '../src/coordinator/metrics.js';

/** 200 ms of computing on rank 0 and 120 on rank 1; two buckets of 4 MB and 1 kB; the commit comes after 220 ms of rank 0. */
export function exampleTrace(stage: string, step: number, slower = 0): TraceEvent {
  return {
    ...{ type: 'trace', stage, epoch: 1, step, workers: 2, bytes: [4_000_000, 1000] },
    ranks: [
      {
        ...{ rank: 0, input: [[0, 2]], runs: [[2, 200 + slower]], gathers: [] },
        buckets: [
          [150, 160, 180],
          [199 + slower, 200 + slower, 205 + slower],
        ],
        ...{ reported: 206 + slower, committed: 220 + slower, applied: [221 + slower, 231 + slower] },
      },
      {
        ...{ rank: 1, input: [[0, 2]], runs: [[2, 120]], gathers: [] },
        buckets: [
          [80, 150, 170],
          [118, null, 195 + slower],
        ],
        ...{ reported: 196 + slower, committed: 210 + slower, applied: [211 + slower, 225 + slower] },
      },
    ],
  };
}
