import { expect, it } from 'vitest';
import { csv } from './csv.js';

it('quotes where it must, and leaves out what is no number', () => {
  expect(
    csv({
      columns: ['run', 'loss'],
      rows: [
        ['a,"b"', 0.1],
        ['c\nd', Number.NaN],
      ],
    }),
  ).toBe('run,loss\r\n"a,""b""",0.1\r\n"c\nd",\r\n');
});
