import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { Turns } from './bench-turns.js';

it('begins a step with a line, ends it with one of JSON, and says that no line is left', async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  const turns = new Turns(input, output);
  turns.ready();
  let begun = false;
  const first = turns.begin().then(() => {
    begun = true;
  });
  await new Promise(setImmediate);
  expect(begun).toBe(false);
  input.write('step\n');
  await first;
  turns.end({ ms: 12.5, imagesPerSec: 80 });
  expect(`${output.read()}`).toBe('{"ready":true}\n{"ms":12.5,"imagesPerSec":80}\n');
  input.end();
  await expect(turns.begin()).rejects.toThrow('--turns got no line for its next step');
});
