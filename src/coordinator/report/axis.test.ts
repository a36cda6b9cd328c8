import { describe, expect, it } from 'vitest';
import { contrastive, exampleData, traditional } from '../../../test/example-run.js';
import { axisOf, plannedSteps, stepsPerEpoch } from './axis.js';

describe('the horizontal axis', () => {
  const one = exampleData(traditional);
  const other = exampleData({ ...contrastive, stepsPerEpoch: 20 });

  it('counts steps of one run, and epochs of several', () => {
    expect(axisOf([one])).toMatchObject({ unit: 'step' });
    const axis = axisOf([one, other]);
    expect(axis.unit).toBe('epoch');
    expect([axis.at(0, 20), axis.at(1, 20)]).toEqual([2, 1]);
  });

  it('counts images, if it is to', () => {
    const axis = axisOf([one], 'images');
    expect([axis.unit, axis.at(0, 3)]).toEqual(['images', 3 * 64]);
  });

  it('falls back on steps as long as nobody knows how long an epoch is', () => {
    const begun = exampleData({ ...traditional, until: 9 });
    expect(stepsPerEpoch(begun)).toBeUndefined();
    expect(plannedSteps(begun)).toBeUndefined();
    expect(axisOf([one, begun]).unit).toBe('step');
  });

  it('knows it from the second epoch, from the second stage, or from the end', () => {
    expect(stepsPerEpoch(exampleData({ ...contrastive, until: 11 }))).toBe(10);
    const short = { ...contrastive, stages: contrastive.stages.map((stage) => ({ ...stage, epochs: 1 })) };
    expect(stepsPerEpoch(exampleData({ ...short, until: 12 }))).toBe(10);
    expect(stepsPerEpoch(exampleData({ ...short, stages: short.stages.slice(1) }))).toBe(10);
    expect(plannedSteps(exampleData({ ...contrastive, until: 11 }))).toBe(50);
  });

  it('takes no gap that damage has left for the end of an epoch', () => {
    const { events } = exampleData({ ...traditional, until: 25 });
    const gap = events.filter(({ step }) => step < 8 || step > 12);
    expect(stepsPerEpoch(exampleData({ ...traditional, until: 25 }, gap))).toBe(10);
  });
});
