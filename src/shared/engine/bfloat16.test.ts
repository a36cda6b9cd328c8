import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { bfloat16Instructions } from './bfloat16.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-cpuinfo-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('instructions for bfloat16 are found by their whole name', () => {
  const read = (text: string) => {
    const path = join(folder, 'cpuinfo');
    writeFileSync(path, text);
    return bfloat16Instructions(path);
  };
  expect(read('model name\t: X\nflags\t\t: fpu avx512f avx512_bf16 amx_bf16\n\n')).toEqual([
    'amx_bf16',
    'avx512_bf16',
  ]);
  expect(read('flags\t\t: fpu avx2 avx512_bf16_not\n')).toEqual([]);
  expect(read('Features\t: fp asimd bf16\n')).toEqual(['bf16']);
  expect(read('nothing of the kind\n')).toBeUndefined();
  expect(bfloat16Instructions(join(folder, 'absent'))).toBeUndefined();
});
