import { describe, expect, it } from 'vitest';
import { rankTimes, slowestRank, waitingForSlowest } from './rank-times.js';

const times = (rank: number, input: number, compute: number) => ({
  ...{ rank, input, compute, exposedComm: 1, commit: 1 },
});

describe('the times of ranks', () => {
  it('name the rank that was busy longest, with its input', () => {
    const ranks = [times(0, 0, 50), times(1, 20, 40), times(2, 0, 30)];
    expect(slowestRank(ranks)).toBe(1);
    expect(waitingForSlowest(ranks)).toBe((10 + 0 + 30) / 3);
  });

  it('have no waiting where there is one rank', () => {
    expect(waitingForSlowest([times(0, 1, 2)])).toBe(0);
  });

  it('leave out who was lost before it had applied the step', () => {
    const ms = { input: 1, compute: 2, exposedComm: 3 };
    const result = { loss: 1, accuracy: null, excess: null };
    const reduced = [0, 1, 2].map(
      () => ({ type: 'reduced', generation: 1, step: 0, fingerprint: '', result, ms }) as const,
    );
    const applied = (commitMs: number) =>
      ({ type: 'applied', generation: 1, step: 0, gradNorm: 1, lossScale: null, commitMs }) as const;
    const found = rankTimes(
      reduced,
      new Map([
        [2, applied(7)],
        [0, applied(5)],
      ]),
    );
    expect(found.map(({ rank, commit }) => [rank, commit])).toEqual([
      [0, 5],
      [2, 7],
    ]);
  });
});
