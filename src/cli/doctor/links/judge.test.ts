import { expect, it } from 'vitest';
import { linkFinding, linkReport, skewFinding } from './judge.js';
import type { Measurement } from './measurement.js';

const measurement: Measurement = {
  path: 'frames',
  latencyMs: { median: 0.05, p99: 0.2, min: 0.04, samples: 400 },
  points: [64, 1e6, 4e6].map((bytes) => {
    const ms = 0.05 + bytes / 1e6;
    return { bytes, ms, bytesPerSecond: (bytes / ms) * 1000, samples: 100 };
  }),
  oneWayBytesPerSecond: 1e9,
  bothWaysBytesPerSecond: 0.9e9,
  skewMs: 1,
  skewUncertaintyMs: 0.04,
};
const link = { from: 'a', to: 'b', encrypted: true, sameMachine: false, problem: undefined };
const report = (changes: Partial<Measurement> = {}) =>
  linkReport({ ...link, measurement: { ...measurement, ...changes } });

it('a link has its fit in the report', () => {
  expect(report().fit?.latencyMs).toBeCloseTo(0.05, 6);
  expect(report().fit?.bytesPerSecond).toBeCloseTo(1e9, -3);
});

it('a link that is slow, or not there, says what to do', () => {
  expect(linkFinding(report()).level).toBe('ok');
  expect(linkFinding(report({ latencyMs: { ...measurement.latencyMs, median: 3 } })).level).toBe('warning');
  expect(linkFinding(report({ bothWaysBytesPerSecond: 94e6 })).advice).toContain('1000 ms a step');
  const none = linkFinding(linkReport({ ...link, measurement: undefined, problem: 'b is silent' }));
  expect(none).toMatchObject({ level: 'failure', value: 'no link: b is silent' });
});

it('clocks are judged by what is certain of their difference', () => {
  expect(skewFinding(report())[0]?.level).toBe('ok');
  expect(skewFinding(report({ skewMs: -500 }))[0]).toMatchObject({
    level: 'warning',
    check: 'clocks of a – b',
  });
  expect(skewFinding(report({ skewMs: 30, skewUncertaintyMs: 15 }))[0]?.level).toBe('ok');
  expect(skewFinding({ ...report(), sameMachine: true })).toEqual([]);
});
