import { describe, expect, it } from 'vitest';
import { drawThroughput, fitScalingLaw, lawThroughput } from './scaling-law.js';

const samples = (workers: readonly number[], rates: readonly number[]) =>
  rates.map((imagesPerSec, i) => ({ workers: workers[i % workers.length]!, imagesPerSec }));

describe('a scaling law', () => {
  // python: scipy.optimize.curve_fit on the logarithms
  it('is the universal one for three numbers of workers or more, as scipy fits it', () => {
    const law = fitScalingLaw(samples([1, 2, 4, 8], [100, 188, 331, 480, 103, 185, 340, 470]))!;
    expect(law.law).toBe('universal');
    expect(law.single.value).toBeCloseTo(100.428519, 3);
    expect(law.single.error).toBeCloseTo(1.403716, 3);
    expect(law.contention.value).toBeCloseTo(0.042324, 5);
    expect(law.contention.error).toBeCloseTo(0.0155, 5);
    expect(law.coherence.value).toBeCloseTo(0.006991, 5);
    expect(law.coherence.error).toBeCloseTo(0.001848, 5);
  });

  it("is Amdahl's for two", () => {
    const law = fitScalingLaw(samples([1, 2], [100, 180, 102, 184, 99, 181]))!;
    expect(law.law).toBe('Amdahl');
    expect(law.single.value).toBeCloseTo(100.325605, 4);
    expect(law.contention.value).toBeCloseTo(0.10455, 5);
    expect(law.contention.error).toBeCloseTo(0.012123, 5);
    expect(law.residual).toBeCloseTo(0.013442, 5);
  });

  it('has no negative parameters: what scales ideally has none but the rate', () => {
    const law = fitScalingLaw(samples([1, 2, 4], [100, 201, 405]))!;
    expect(law.contention.value).toBe(0);
    expect(law.coherence.value).toBe(0);
    expect(lawThroughput(law, 10)).toBeCloseTo(1006, 0);
  });

  it('draws around itself, wider the farther it goes', () => {
    const law = fitScalingLaw(samples([1, 2, 4, 8], [100, 188, 331, 480, 103, 185, 340, 470]))!;
    const spread = (workers: number) => {
      const drawn = drawThroughput(law, [workers], 500)[0]!.sort((a, b) => a - b);
      expect(drawn[12]!).toBeLessThan(lawThroughput(law, workers));
      expect(drawn[487]!).toBeGreaterThan(lawThroughput(law, workers));
      return drawn[487]! / drawn[12]!;
    };
    expect(spread(64)).toBeGreaterThan(spread(4));
  });

  it('is none for one number of workers', () => {
    expect(fitScalingLaw(samples([2], [100, 101]))).toBeUndefined();
  });
});
