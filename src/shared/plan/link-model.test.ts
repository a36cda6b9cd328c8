import { describe, expect, it } from 'vitest';
import { normal } from '../random/keyed.js';
import { fitLink, linkMs } from './link-model.js';

const sizes = [64, 4096, 65_536, 262_144, 1 << 20, 4 << 20, 16 << 20];
const truth = (bytes: number) => 0.05 + (bytes / 1.25e9) * 1000;

describe('a link model', () => {
  it('finds latency and bandwidth again, exactly where there is no noise', () => {
    const model = fitLink(sizes.map((bytes) => ({ bytes, ms: truth(bytes) })))!;
    expect(model.latencyMs).toBeCloseTo(0.05, 10);
    expect(model.bytesPerSecond / 1.25e9).toBeCloseTo(1, 10);
    expect(model.relativeResidual).toBeLessThan(1e-10);
    expect(linkMs(model, 1e6)).toBeCloseTo(truth(1e6), 8);
  });

  it('has the standard errors that repeated measurements show', () => {
    const models = Array.from({ length: 2000 }, (_, trial) =>
      fitLink(sizes.map((bytes, i) => ({ bytes, ms: truth(bytes) * (1 + 0.03 * normal(7, trial, i)) }))),
    ).map((model) => model!);
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = (values: readonly number[]) =>
      Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
    const rootMeanSquare = (values: readonly number[]) => Math.sqrt(mean(values.map((value) => value ** 2)));
    const [latencies, bandwidths] = [models.map((m) => m.latencyMs), models.map((m) => m.bytesPerSecond)];
    expect(mean(latencies) / 0.05).toBeCloseTo(1, 2);
    expect(mean(bandwidths) / 1.25e9).toBeCloseTo(1, 2);
    const told = rootMeanSquare(models.map((m) => m.latencyStandardErrorMs));
    expect(told / deviation(latencies)).toBeCloseTo(1, 1);
    const toldOfBandwidth = rootMeanSquare(models.map((m) => m.bytesPerSecondStandardError));
    expect(toldOfBandwidth / deviation(bandwidths)).toBeCloseTo(1, 1);
  });

  it('is not made up from too little', () => {
    expect(fitLink([])).toBeUndefined();
    expect(fitLink(sizes.slice(0, 2).map((bytes) => ({ bytes, ms: truth(bytes) })))).toBeUndefined();
    expect(fitLink([1, 2, 3].map((ms) => ({ bytes: 1e6, ms })))).toBeUndefined();
    expect(fitLink(sizes.map((bytes) => ({ bytes, ms: 1 })))).toBeUndefined();
    expect(fitLink([3, 2, 1].map((ms, i) => ({ bytes: i, ms })))).toBeUndefined();
    expect(() => fitLink([{ bytes: 1, ms: 0 }])).toThrow(RangeError);
  });
});
