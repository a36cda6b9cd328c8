/** What is drawn: a function of its key, within its bounds, with the statistics that it should have. */
import { describe, expect, it } from 'vitest';
import { augmentSchema } from '../config/augment.js';
import { hash32, integerBelow, uniform } from '../random/keyed.js';
import { type Augmentation, drawAugmentation, drawShift } from './draw.js';

const count = 9000;
const view = { seed: 7, epoch: 3, view: 0 };
const everything = augmentSchema.parse({
  crop: 0,
  resizedCrop: { scale: [0.2, 1] },
  rotation: 0.1,
  zoom: 0.3,
  stretch: { width: 0.2, height: 0.4 },
  colorJitter: { brightness: 0.4, contrast: 1.5, saturation: 0.4, hue: 0.1, probability: 0.8 },
  grayscale: 0.2,
  cutout: 8,
});
const ids = Array.from({ length: count }, (_, id) => id);
const all = ids.map((id) => drawAugmentation(id, view, everything));

function values(of: (one: Augmentation) => number): number[] {
  return all.map(of);
}

/** Uniform between the bounds: the mean within five standard deviations, and nearly the whole range is met. */
function expectUniform(drawn: readonly number[], least: number, most: number): void {
  const mean = drawn.reduce((sum, value) => sum + value, 0) / drawn.length;
  const width = most - least;
  expect(Math.abs(mean - (least + most) / 2)).toBeLessThan((5 * width) / Math.sqrt(12 * drawn.length));
  expect(Math.min(...drawn)).toBeGreaterThanOrEqual(least);
  expect(Math.max(...drawn)).toBeLessThan(most);
  expect(Math.min(...drawn)).toBeLessThan(least + width / 200);
  expect(Math.max(...drawn)).toBeGreaterThan(most - width / 200);
}

/** Five standard deviations of a count around what is expected of a probability. */
function expectShare(found: number, of: number, probability: number): void {
  const deviation = Math.sqrt(of * probability * (1 - probability));
  expect(Math.abs(found - of * probability)).toBeLessThan(5 * deviation);
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const centred = (x: readonly number[]) => {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    return x.map((value) => value - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  const dot = (p: readonly number[], q: readonly number[]) => p.reduce((sum, v, i) => sum + v * q[i]!, 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

describe('an augmentation', () => {
  it('is a function of seed, epoch, view and sample, and of nothing else', () => {
    expect(drawAugmentation(11, { ...view }, everything)).toEqual(all[11]);
    for (const other of [{ seed: 8 }, { epoch: 4 }, { view: 1 }]) {
      const drawn = ids.slice(0, 100).map((id) => drawAugmentation(id, { ...view, ...other }, everything));
      for (const key of Object.keys(all[0]!) as (keyof Augmentation)[]) {
        if (key === 'dx' || key === 'dy') continue;
        const of = (some: readonly Augmentation[]) => JSON.stringify(some.map((one) => one[key]));
        expect(of(drawn), key).not.toBe(of(all.slice(0, 100)));
      }
    }
  });

  it('does not depend on what else the config asks for', () => {
    const only = augmentSchema.parse({ rotation: 0.1, cutout: 8 });
    for (const id of [0, 1, 2]) {
      const { rotation, cutout } = drawAugmentation(id, view, only);
      expect({ rotation, cutout }).toEqual({ rotation: all[id]!.rotation, cutout: all[id]!.cutout });
    }
  });

  it('changes nothing by default beside crop and flip', () => {
    const { dx, dy, flip, ...rest } = drawAugmentation(5, view, augmentSchema.parse({}));
    expect({ dx, dy, flip }).toEqual(drawShift(5, view, augmentSchema.parse({})));
    expect(rest).toEqual({
      box: null,
      rotation: 0,
      zoom: 1,
      stretch: { width: 1, height: 1 },
      colorJitter: null,
      grayscale: false,
      cutout: null,
    });
  });

  it('draws every number over its whole range, independently of the others', () => {
    const jittered = all.flatMap(({ colorJitter }) => colorJitter ?? []);
    expectShare(jittered.length, count, 0.8);
    expectShare(all.filter(({ grayscale }) => grayscale).length, count, 0.2);
    const drawn: [number[], number, number][] = [
      [values(({ rotation }) => rotation), -0.1, 0.1],
      [values(({ zoom }) => zoom), 0.7, 1.3],
      [values(({ stretch }) => stretch.width), 0.8, 1.2],
      [values(({ stretch }) => stretch.height), 0.6, 1.4],
      [jittered.map(({ brightness }) => brightness), 0.6, 1.4],
      // Never below 0, as in torchvision.
      [jittered.map(({ contrast }) => contrast), 0, 2.5],
      [jittered.map(({ saturation }) => saturation), 0.6, 1.4],
      [jittered.map(({ hue }) => hue), -0.1, 0.1],
    ];
    for (const [found, least, most] of drawn) expectUniform(found, least, most);
    for (const [i, [a]] of drawn.entries()) {
      for (const [b] of drawn.slice(0, i)) {
        if (a.length === b.length) expect(Math.abs(correlation(a, b))).toBeLessThan(0.06);
      }
    }
    const middles = values(({ cutout }) => cutout!.top + 4);
    expect([Math.min(...middles), Math.max(...middles)]).toEqual([0, 31]);
    expect(
      Math.abs(
        correlation(
          middles,
          values(({ cutout }) => cutout!.left),
        ),
      ),
    ).toBeLessThan(0.06);
  });

  it('has the four of colour jitter in every order, each as often', () => {
    const counts = new Map<string, number>();
    const jittered = all.flatMap(({ colorJitter }) => colorJitter ?? []);
    for (const { order } of jittered) counts.set(order.join(' '), (counts.get(order.join(' ')) ?? 0) + 1);
    expect(counts.size).toBe(24);
    for (const [order, found] of counts) {
      expect(new Set(order.split(' ')).size).toBe(4);
      expectShare(found, jittered.length, 1 / 24);
    }
  });
});

describe('crop and flip', () => {
  const config = augmentSchema.parse({});
  const shifts = ids.map((id) => drawShift(id, view, config));

  it('of the first view have the keys that they had before there were others', () => {
    for (const id of [0, 17, 49_999]) {
      expect(drawShift(id, view, config)).toEqual({
        dx: integerBelow(9, 7, 'crop-x', 3, id) - 4,
        dy: integerBelow(9, 7, 'crop-y', 3, id) - 4,
        flip: uniform(7, 'flip', 3, id) < 0.5,
      });
    }
    // The hash itself: see keyed.test.ts.
    expect(hash32(42, 'augment', 12, 49999, 'flip')).toBe(1357612628);
  });

  it('take every offset about equally often, and flip half', () => {
    for (const axis of ['dx', 'dy'] as const) {
      const counts = new Map<number, number>();
      for (const one of shifts) counts.set(one[axis], (counts.get(one[axis]) ?? 0) + 1);
      expect([...counts.keys()].sort((a, b) => a - b)).toEqual([-4, -3, -2, -1, 0, 1, 2, 3, 4]);
      for (const found of counts.values()) expectShare(found, count, 1 / 9);
    }
    expectShare(shifts.filter(({ flip }) => flip).length, count, 1 / 2);
    // Both axes are independent: a diagonal would mean one draw for both.
    expectShare(shifts.filter(({ dx, dy }) => dx === dy).length, count, 1 / 9);
  });

  it('alternating flips show each image one way in even epochs and the other way in odd ones', () => {
    const alternating = augmentSchema.parse({ flip: 'alternating' });
    const flipsIn = (epoch: number) => ids.map((id) => drawShift(id, { ...view, epoch }, alternating).flip);
    const [first, second, third] = [flipsIn(0), flipsIn(1), flipsIn(2)];
    expect(second).toEqual(first.map((flip) => !flip));
    expect(third).toEqual(first);
    expectShare(first.filter((flip) => flip).length, count, 1 / 2);
    const none = augmentSchema.parse({ flip: 'none' });
    expect(ids.some((id) => drawShift(id, view, none).flip)).toBe(false);
  });
});
