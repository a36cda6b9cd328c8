import { expect, it } from 'vitest';
import { beatMs, SilenceWatch } from './silence.js';

it('silence means nothing right after this process was held up', () => {
  const watch = new SilenceWatch();
  let now = performance.now();
  const after = (ms: number) => {
    now += ms;
    return watch.look(now);
  };
  expect(after(beatMs)).toBe(true);
  expect(after(5 * beatMs)).toBe(false);
  expect(after(beatMs)).toBe(true);
});
