/** The boxes of a random resized crop. */
import { describe, expect, it } from 'vitest';
import { uniform } from '../random/keyed.js';
import { drawCropBox } from './crop-box.js';

const draw = (id: number) => (what: string, attempt: number) => uniform(3, what, attempt, id);
const defaults = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;

describe('drawCropBox', () => {
  const boxes = Array.from({ length: 5000 }, (_, id) => drawCropBox(draw(id), defaults));

  it('stays in the image, and within scale and ratio but for rounding', () => {
    for (const { top, left, height, width } of boxes) {
      for (const [first, size] of [
        [top, height],
        [left, width],
      ] as const) {
        expect(Number.isInteger(first) && Number.isInteger(size)).toBe(true);
        expect(first).toBeGreaterThanOrEqual(0);
        expect(size).toBeGreaterThanOrEqual(1);
        expect(first + size).toBeLessThanOrEqual(32);
      }
      expect((width - 0.5) / (height + 0.5)).toBeLessThan(4 / 3);
      expect((width + 0.5) / (height - 0.5)).toBeGreaterThan(3 / 4);
      expect((width + 0.5) * (height + 0.5)).toBeGreaterThan(0.08 * 1024);
    }
  });

  it('is as often wide as high, and has the areas and places that rejection leaves', () => {
    const share = (of: (box: (typeof boxes)[number]) => boolean) => boxes.filter(of).length / boxes.length;
    const wide = share(({ width, height }) => width > height);
    const high = share(({ width, height }) => width < height);
    expect(Math.abs(wide - high)).toBeLessThan(0.05);
    // Small boxes always fit, so those below half of the area are at least their share of the range.
    expect(share(({ width, height }) => width * height < 512)).toBeGreaterThan(0.42);
    const off = boxes.filter(({ width }) => width < 32);
    const centred = off.reduce((sum, { left, width }) => sum + left / (32 - width), 0) / off.length;
    expect(Math.abs(centred - 0.5)).toBeLessThan(0.03);
  });

  it('draws the whole image when that is the scale, and a square where the ratio is 1', () => {
    expect(drawCropBox(draw(1), { scale: [1, 1], ratio: [1, 1] })).toEqual({
      top: 0,
      left: 0,
      height: 32,
      width: 32,
    });
    const { height, width } = drawCropBox(draw(1), { scale: [0.25, 0.25], ratio: [1, 1] });
    expect([height, width]).toEqual([16, 16]);
  });

  it('falls back to the middle when no box fits', () => {
    const all = [1, 1] as const;
    expect(drawCropBox(draw(1), { scale: all, ratio: [2, 3] })).toEqual({
      top: 8,
      left: 0,
      height: 16,
      width: 32,
    });
    expect(drawCropBox(draw(1), { scale: all, ratio: [0.2, 0.5] })).toEqual({
      top: 0,
      left: 8,
      height: 32,
      width: 16,
    });
  });
});
