import { expect, it } from 'vitest';
import { MemoryViews } from './memory-views.js';

const mega = 1 << 20;

/** How many views were made. */
function counting() {
  const made: [bigint, number][] = [];
  const views = new MemoryViews((address, bytes) => {
    made.push([address, bytes]);
    return { byteLength: bytes } as ArrayBuffer;
  });
  return { views, made };
}

it('are made once for an address', () => {
  const { views, made } = counting();
  const first = views.at(64n, 8 * mega);
  expect(views.at(64n, 8 * mega)).toBe(first);
  // A smaller block where a larger one was.
  expect(views.at(64n, 6 * mega)).toBe(first);
  expect(views.at(128n, 8 * mega)).not.toBe(first);
  expect(made).toHaveLength(2);
});

it('are made anew for a larger block', () => {
  const { views } = counting();
  const first = views.at(64n, 8 * mega);
  const larger = views.at(64n, 16 * mega);
  expect(larger).not.toBe(first);
  expect(larger.byteLength).toBe(16 * mega);
  expect(views.at(64n, 8 * mega)).toBe(larger);
});

it('are not kept where they are small, or after they were forgotten', () => {
  const { views } = counting();
  for (const bytes of [100, mega - 1]) expect(views.at(64n, bytes)).not.toBe(views.at(64n, bytes));
  expect(views.at(64n, 0).byteLength).toBe(0);
  const kept = views.at(64n, 8 * mega);
  views.forget(64n);
  expect(views.at(64n, 8 * mega)).not.toBe(kept);
});

it('are let go of when they would be too many', () => {
  const { views, made } = counting();
  const third = 400 << 20;
  // Two of three fit into a gibibyte.
  for (const address of [1n, 2n, 1n, 2n, 3n]) views.at(address, third);
  expect(made.map(([address]) => address)).toEqual([1n, 2n, 3n]);
  views.at(3n, third);
  views.at(1n, third);
  expect(made.map(([address]) => address)).toEqual([1n, 2n, 3n, 1n]);
});
