/** Crop and flip against a plain reading of their definition. */
import { describe, expect, it } from 'vitest';
import { augmentSchema } from '../config/augment.js';
import { copyImage, cropInto } from './crop.js';
import { drawShift, type Shift } from './draw.js';

const image = Uint8Array.from({ length: 3072 }, (_, i) => 1 + ((i * 37) % 255));

/** The definition, pixel by pixel. */
function pixel(shift: Shift, fill: string, y: number, x: number, channel: number): number {
  const fromY = y + shift.dy;
  const fromX = (shift.flip ? 31 - x : x) + shift.dx;
  const at = (row: number, column: number) => image[(row * 32 + column) * 3 + channel]!;
  if (fill === 'zero') return fromY < 0 || fromY > 31 || fromX < 0 || fromX > 31 ? 0 : at(fromY, fromX);
  // What is seen left of the image, in it, and right of it.
  const columns = [...Array(32).keys()];
  const line =
    fill === 'edge'
      ? [...Array(16).fill(0), ...columns, ...Array(16).fill(31)]
      : [...columns.slice(0, 16).reverse(), ...columns, ...columns.slice(16).reverse()];
  return at(line[fromY + 16]!, line[fromX + 16]!);
}

describe('cropInto', () => {
  it.each([
    { dx: 0, dy: 0, flip: false },
    { dx: 0, dy: 0, flip: true },
    { dx: 4, dy: -3, flip: false },
    { dx: -4, dy: 2, flip: true },
    { dx: 3, dy: 4, flip: true },
    { dx: -16, dy: 16, flip: false },
  ])('shows the padded image at $dx, $dy, flip $flip', (shift) => {
    for (const fill of ['zero', 'reflect', 'edge'] as const) {
      const out = new Uint8Array(3072).fill(99);
      cropInto(image, out, shift, fill);
      const expected = Uint8Array.from(out, (_, i) =>
        pixel(shift, fill, Math.floor(i / 96), Math.floor((i % 96) / 3), i % 3),
      );
      expect(out, fill).toEqual(expected);
    }
  });
});

describe('copyImage', () => {
  const augment = augmentSchema.parse({});

  it('puts an image in its place, as it was drawn, and leaves the rest alone', () => {
    const batch = new Uint8Array(3 * 3072).fill(99);
    const view = { seed: 7, epoch: 3, view: 0 };
    const alone = new Uint8Array(3072);
    cropInto(image, alone, drawShift(5, view, augment), 'zero');
    copyImage(image, 5, 1, batch, { ...view, augment });
    expect(batch.subarray(3072, 6144)).toEqual(alone);
    expect(batch.filter((_, i) => i < 3072 || i >= 6144).every((value) => value === 99)).toBe(true);
  });

  it('changes nothing when crop and flip are off, or nothing is augmented', () => {
    const off = augmentSchema.parse({ crop: 0, flip: 'none' });
    for (const options of [null, { seed: 1, epoch: 1, view: 0, augment: off }]) {
      const batch = new Uint8Array(3072);
      copyImage(image, 5, 0, batch, options);
      expect(batch).toEqual(image);
    }
  });
});
