import { describe, expect, it } from 'vitest';
import { fixture } from '../../../test/evaluation-fixture.js';
import { normal } from '../../shared/random/keyed.js';
import { alignmentAndUniformity } from './alignment.js';
import { principalComponents } from './pca.js';
import { sampleOf, spaceOf } from './spaces.js';
import { umap } from './umap.js';
import { products, unitRows } from './unit-rows.js';

const { test, width, space } = fixture;
const rows = { values: Float32Array.from(test.features), width };
const labels = Uint8Array.from(test.labels);
const draws = (count: number) => Array.from({ length: count }, (_, i) => normal(1, 'draws', i));
const all = Int32Array.from(labels, (_, i) => i);

describe('a space', () => {
  it('is as well aligned and as uniform as NumPy says', () => {
    const found = alignmentAndUniformity(products(unitRows(rows, all)), labels);
    expect(found.alignment).toBeCloseTo(space.alignment, 5);
    expect(found.uniformity).toBeCloseTo(space.uniformity, 5);
  });

  it('by hand: two images of a class at a right angle, one of another class opposite', () => {
    const unit = unitRows({ values: Float32Array.of(2, 0, 0, 3, -1, 0), width: 2 }, Int32Array.of(0, 1, 2));
    const { alignment, uniformity } = alignmentAndUniformity(products(unit), Uint8Array.of(1, 1, 0));
    expect(alignment).toBe(2);
    expect(uniformity).toBeCloseTo(Math.log((Math.exp(-4) + Math.exp(-8) + Math.exp(-4)) / 3), 6);
    expect(alignmentAndUniformity(Float32Array.of(1), Uint8Array.of(0))).toEqual({
      alignment: null,
      uniformity: null,
    });
  });

  it("has the principal components that scikit-learn's full SVD finds", () => {
    const { points, explained } = principalComponents(unitRows(rows, all));
    for (const [i, share] of space.explained.entries()) expect(explained[i]).toBeCloseTo(share, 6);
    for (const [i, value] of space.points.entries()) expect(points[i]).toBeCloseTo(value, 4);
  });

  it('has components even where rows have one column, or are all the same', () => {
    const column = principalComponents({ values: Float32Array.of(1, 2, 6), width: 1 });
    expect(column.explained).toEqual([1, 0]);
    expect([column.points[0], column.points[2], column.points[4]].map((x) => x?.toFixed(9))).toEqual([
      '-2.000000000',
      '-1.000000000',
      '3.000000000',
    ]);
    const same = principalComponents({ values: new Float32Array(12).fill(0.5), width: 4 });
    expect(same.explained).toEqual([0, 0]);
    expect([...same.points].every((value) => Math.abs(value) === 0)).toBe(true);
  });

  it('is drawn of the same images, and in the same way, each time', () => {
    expect([...sampleOf(10, 99)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const some = sampleOf(1000, 20);
    expect(some).toHaveLength(20);
    expect([...some]).toEqual([...sampleOf(1000, 20)]);
    expect([...some]).toEqual([...new Set(some)].sort((a, b) => a - b));
    expect(spaceOf('features', rows, all, labels)).toEqual(spaceOf('features', rows, all, labels));
  });
});

describe('the UMAP map', () => {
  it('keeps clusters together that are far apart', () => {
    // Three clusters of 20 around the axes of 8 dimensions.
    const noise = draws(60 * 8);
    const values = Float32Array.from(
      noise,
      (value, i) => 0.1 * value + (i % 8 === Math.floor(i / 160) ? 1 : 0),
    );
    const { points } = umap(
      products(
        unitRows(
          { values, width: 8 },
          Int32Array.from({ length: 60 }, (_, i) => i),
        ),
      ),
      60,
    )!;
    const distance = (i: number, j: number) =>
      Math.hypot(points[2 * i]! - points[2 * j]!, points[2 * i + 1]! - points[2 * j + 1]!);
    let [inside, outside] = [0, Number.POSITIVE_INFINITY];
    for (let i = 0; i < 60; i += 1) {
      for (let j = 0; j < i; j += 1) {
        if (Math.floor(i / 20) === Math.floor(j / 20)) inside = Math.max(inside, distance(i, j));
        else outside = Math.min(outside, distance(i, j));
      }
    }
    expect(outside).toBeGreaterThan(inside);
  });

  it('needs three points', () => {
    expect(umap(Float32Array.of(1, 0, 0, 1), 2)).toBeUndefined();
    expect(umap(Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1), 3)?.points).toHaveLength(6);
  });
});

describe('products', () => {
  it('are all of them, whatever the number of rows', () => {
    for (const count of [1, 2, 3, 4, 5, 6, 7]) {
      const values = Float32Array.from(draws(count * 3));
      const found = products({ values, width: 3 });
      for (let i = 0; i < count; i += 1) {
        for (let j = 0; j < count; j += 1) {
          const expected = [0, 1, 2].reduce((sum, f) => sum + values[i * 3 + f]! * values[j * 3 + f]!, 0);
          expect(found[i * count + j]).toBe(Math.fround(expected));
        }
      }
    }
  });
});
