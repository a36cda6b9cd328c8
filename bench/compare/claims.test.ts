// Verdicts and their table: a missed, failed or unmeasured target always shows.
import { describe, expect, it } from 'vitest';
import { judge, SECTIONS } from './claims.mjs';
import { BEGIN, END, resultsMarkdown, withResults } from './document.mjs';
import { median, ratiosByRound } from './statistics.mjs';

const against = (target: number) =>
  ({ text: 'ours against theirs', of: 'a', over: 'b', figure: 'ms', bound: 'atLeast', target }) as const;
const timed = (...times: (number | undefined)[]) =>
  times.map((ms) => (ms === undefined ? undefined : { ms }));

describe('statistics', () => {
  it('takes the middle of an odd and the mean of the two middles of an even number of values', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow(RangeError);
  });

  it('compares only within a round, and leaves a round out in which one side failed', () => {
    expect(ratiosByRound([2, 40, 6], [1, undefined, 2])).toEqual([2, 3]);
  });
});

describe('judge', () => {
  it('judges the median of the ratios of the rounds, not the ratio of the medians', () => {
    // Medians are 20 and 10, which would give 2; the rounds give 0.5, 2 and 0.5.
    const rounds = { a: timed(5, 20, 30), b: timed(10, 10, 60) };
    expect(judge(against(1), rounds)).toMatchObject({ measured: { median: 0.5 }, verdict: 'missed' });
  });

  it('takes a target as met when it is exactly reached, and as missed just below or above it', () => {
    expect(judge(against(2), { a: timed(2), b: timed(1) }).verdict).toBe('met');
    expect(judge(against(2), { a: timed(1.9999), b: timed(1) }).verdict).toBe('missed');
    const start = {
      text: 'start',
      of: 'a',
      figure: 'startToFirstStepMs',
      bound: 'atMost',
      target: 8000,
    } as const;
    expect(judge(start, { a: [{ ms: 1, startToFirstStepMs: 8000.5 }] }).verdict).toBe('missed');
    expect(judge(start, { a: [{ ms: 1, startToFirstStepMs: 7999 }] }).verdict).toBe('met');
  });

  it('does not call a target met that nobody measured', () => {
    expect(judge(against(1), { a: timed(undefined), b: timed(1) }).verdict).toBe('not measured');
    expect(judge(against(1), {}).verdict).toBe('not measured');
  });
});

describe('the document', () => {
  const run = {
    date: '2026-11-24 12:00 UTC',
    commit: 'abc',
    machine: { cpu: 'CPU', cores: 2, memoryGB: 24, kernel: '6', node: 'v20', vectors: 'avx2' },
    peers: 'PyTorch 2.8',
    rounds: 1,
    steps: 8,
    warmup: 3,
    repeats: 20,
    loadOfOthers: { median: 0, max: 0.01 },
  };
  const rounds = {
    'allreduce-gloo': timed(199.99),
    'allreduce-shm': timed(100),
    'allreduce-tcp': timed(undefined),
  };
  const allreduce = {
    run,
    judgements: SECTIONS.allreduce.claims.map((claim) => judge(claim, rounds)),
    contestants: {
      'allreduce-gloo': { name: 'gloo', rounds: [{ ms: 199.99 }], failures: [] },
      'allreduce-shm': { name: 'shm', rounds: [{ ms: 100 }], failures: [] },
      'allreduce-tcp': { name: 'tcp', rounds: [null], failures: ['round 1: ended with 1\ndetails'] },
    },
  };

  it('names missed and unmeasured targets first, and never rounds a missed one up to its target', () => {
    const text = resultsMarkdown({ allreduce }, ['allreduce', 'start']);
    expect(text).toMatch(
      /^\*\*0 of 4 targets are met\.\*\* Missed: gloo's time over ours in shared memory\. Not measured: /,
    );
    expect(text).toContain('| 1.999 (1.999–1.999) | ≥ 2 | **missed** |');
    expect(text).toContain('**not measured**');
    expect(text).toContain('Runs that failed:\n\n- tcp: round 1: ended with 1\n');
    expect(text).toContain('Not measured yet.');
  });

  it('replaces only what lies between its markers', () => {
    const document = `before\n${BEGIN}\nold\n${END}\nafter\n`;
    expect(withResults(document, 'new\n')).toBe(`before\n${BEGIN}\n\nnew\n\n${END}\nafter\n`);
    expect(() => withResults('nothing', 'new')).toThrow('lacks its markers');
  });
});
