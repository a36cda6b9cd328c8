/** Augmentation against a plain reading of its definition, and its statistics. */
import { describe, expect, it } from 'vitest';
import { type Augmentation, augmentation, augmentInto, cropInto } from './augment.js';

const image = Uint8Array.from({ length: 3072 }, (_, i) => 1 + ((i * 37) % 255));

/** The definition, pixel by pixel. */
function pixel({ dx, dy, flip }: Augmentation, y: number, x: number, channel: number): number {
  const fromY = y + dy;
  const fromX = (flip ? 31 - x : x) + dx;
  if (fromY < 0 || fromY > 31 || fromX < 0 || fromX > 31) return 0;
  return image[(fromY * 32 + fromX) * 3 + channel]!;
}

describe('cropInto', () => {
  it.each([
    { dx: 0, dy: 0, flip: false },
    { dx: 0, dy: 0, flip: true },
    { dx: 4, dy: -3, flip: false },
    { dx: -4, dy: 2, flip: true },
    { dx: 3, dy: 4, flip: true },
    { dx: -16, dy: 16, flip: false },
    { dx: 32, dy: 0, flip: false },
  ])('shows the padded image at $dx, $dy, flip $flip', (how) => {
    const out = new Uint8Array(3072).fill(99);
    cropInto(image, out, how);
    const expected = Uint8Array.from(out, (_, i) =>
      pixel(how, Math.floor(i / 96), Math.floor((i % 96) / 3), i % 3),
    );
    expect(out).toEqual(expected);
  });
});

describe('augmentation', () => {
  const options = { seed: 7, epoch: 3, crop: 4, flip: true };
  const all = Array.from({ length: 9000 }, (_, id) => augmentation(id, options));

  it('is a function of seed, epoch, sample and view', () => {
    expect(augmentation(11, options)).toEqual(augmentation(11, { ...options }));
    const differs = (other: typeof options & { view?: number }) =>
      all.some((one, id) => JSON.stringify(one) !== JSON.stringify(augmentation(id, other)));
    expect(differs({ ...options, seed: 8 })).toBe(true);
    expect(differs({ ...options, epoch: 4 })).toBe(true);
    expect(differs({ ...options, view: 0 })).toBe(false);
    expect(differs({ ...options, view: 1 })).toBe(true);
  });

  it('takes every offset about equally often, and flips half', () => {
    for (const axis of ['dx', 'dy'] as const) {
      const counts = new Map<number, number>();
      for (const one of all) counts.set(one[axis], (counts.get(one[axis]) ?? 0) + 1);
      expect([...counts.keys()].sort((a, b) => a - b)).toEqual([-4, -3, -2, -1, 0, 1, 2, 3, 4]);
      // 1,000 expected, standard deviation 30.
      for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
    }
    const flips = all.filter(({ flip }) => flip).length;
    expect(Math.abs(flips - 4500)).toBeLessThan(240);
    // Both axes are independent: a diagonal would mean one draw for both.
    expect(all.filter(({ dx, dy }) => dx === dy).length).toBeLessThan(1300);
  });

  it('does nothing when both are off', () => {
    const out = new Uint8Array(3072);
    augmentInto(image, out, 5, { ...options, crop: 0, flip: false });
    expect(out).toEqual(image);
  });
});
