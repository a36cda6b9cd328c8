import { describe, expect, it } from 'vitest';
import { domainOf } from './domain.js';

const ramp = Array.from({ length: 200 }, (_, i) => 1 + i / 100);

describe('the vertical axis', () => {
  it('shows everything where that leaves the curve its shape', () => {
    expect(domainOf(ramp)).toEqual({ low: 1, high: 2.99, log: false, beyond: [] });
    expect(domainOf(ramp, { zero: true })).toMatchObject({ low: 0, high: 2.99 });
  });

  it('cuts off a lone spike, and says which', () => {
    const { high, beyond } = domainOf([...ramp, 500]);
    expect(high).toBeGreaterThan(2.9);
    expect(high).toBeLessThan(4);
    expect(beyond).toEqual([500]);
  });

  it('has room around a constant, and is there for nothing at all', () => {
    expect(domainOf([2, 2])).toEqual({ low: 1.8, high: 2.2, log: false, beyond: [] });
    expect(domainOf([0])).toEqual({ low: -1, high: 1, log: false, beyond: [] });
    expect(domainOf([Number.NaN])).toEqual({ low: 0, high: 1, log: false, beyond: [] });
  });

  it('is logarithmic over magnitudes, if it may be and nothing is zero', () => {
    expect(domainOf([0.1, 100], { mayBeLog: true })).toMatchObject({ low: 0.1, high: 100, log: true });
    expect(domainOf([0, 100], { mayBeLog: true })).toMatchObject({ log: false });
    expect(domainOf([0.1, 100])).toMatchObject({ log: false });
  });
});
