import { expect, it } from 'vitest';
import { MemoryViews, windowBytes } from './memory-views.js';

const mega = 1 << 20;
/** Where the first and the second window begin. */
const first = 4096n;
const second = first + BigInt(windowBytes);

/** Which views were made. */
function counting() {
  const made: [bigint, number][] = [];
  const views = new MemoryViews((address, bytes) => {
    made.push([address, bytes]);
    return { byteLength: bytes } as ArrayBuffer;
  });
  return { views, made };
}

it('are made once for all blocks of a window', () => {
  const { views, made } = counting();
  const { memory } = views.at(first, 8 * mega);
  expect(views.at(first, 9 * mega)).toEqual({ memory, offset: 0 });
  expect(views.at(first + 64n, 2 * mega)).toEqual({ memory, offset: 64 });
  expect(views.at(second - BigInt(mega), mega)).toEqual({ memory, offset: windowBytes - mega });
  expect(views.at(second, mega).memory).not.toBe(memory);
  // The first does not begin at 0, of which Node makes no view.
  expect(made).toEqual([
    [first, windowBytes],
    [second, windowBytes],
  ]);
});

it('are made for a block that lies across a border, once, or for a larger one anew', () => {
  const { views, made } = counting();
  const address = second - 64n;
  const { memory, offset } = views.at(address, 8 * mega);
  expect(offset).toBe(0);
  expect(views.at(address, 6 * mega)).toEqual({ memory, offset: 0 });
  const larger = views.at(address, 16 * mega);
  expect(larger.memory).not.toBe(memory);
  expect(views.at(address, 8 * mega)).toEqual(larger);
  expect(made).toEqual([
    [address, 8 * mega],
    [address, 16 * mega],
  ]);
});

it('are not kept where they are small, or asked for alone', () => {
  const { views } = counting();
  const small = views.at(second, mega - 1);
  expect(small.memory.byteLength).toBe(mega - 1);
  expect(views.at(second, mega - 1).memory).not.toBe(small.memory);
  expect(views.at(second, 0).memory.byteLength).toBe(0);
  const own = views.own(second, 8 * mega);
  expect(own.memory.byteLength).toBe(8 * mega);
  expect(views.at(second, 8 * mega).memory).not.toBe(own.memory);
});

it('are not kept after anything in them was forgotten', () => {
  const { views } = counting();
  const { memory } = views.at(second, 8 * mega);
  // Somebody else's view of the same place.
  views.forget(second, views.own(second, 8 * mega).memory);
  expect(views.at(second, 8 * mega).memory).toBe(memory);
  views.forget(second + 128n, memory);
  expect(views.at(second, 8 * mega).memory).not.toBe(memory);
  const across = views.at(second - 64n, 8 * mega);
  views.forget(second - 64n, across.memory);
  expect(views.at(second - 64n, 8 * mega).memory).not.toBe(across.memory);
});

it('are let go of when they would be too many', () => {
  const { views, made } = counting();
  const windows = Array.from({ length: 17 }, (_, index) => first + BigInt(index * windowBytes));
  // Sixteen of them are four gibibytes.
  for (const begin of windows.slice(0, 16)) views.at(begin, mega);
  for (const begin of windows.slice(0, 16)) views.at(begin, mega);
  expect(made).toHaveLength(16);
  for (const begin of windows.slice(16)) views.at(begin, mega);
  views.at(windows[0]!, mega);
  expect(made.slice(16).map(([address]) => address)).toEqual([windows[16], windows[0]]);
});
