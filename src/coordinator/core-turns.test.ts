import { describe, expect, it } from 'vitest';
import { coreBlocks, coreMasks } from './core-turns.js';
import { coreList } from './linux-cores.js';

describe('coreBlocks', () => {
  it.each([
    { cores: [0, 1], workers: 2, threads: 1, blocks: [[0], [1]] },
    {
      cores: [2, 3, 6, 7, 8],
      workers: 2,
      threads: 1,
      blocks: [
        [2, 3],
        [6, 7],
      ],
    },
    { cores: [0, 1], workers: 2, threads: 2, blocks: [] },
    { cores: [0, 1], workers: 3, threads: 1, blocks: [] },
    { cores: [0, 1], workers: 1, threads: 1, blocks: [] },
    { cores: [], workers: 2, threads: 1, blocks: [] },
  ])('gives $workers workers of $threads threads $blocks of the cores $cores', ({ blocks, ...given }) => {
    expect(coreBlocks(given.cores, given.workers, given.threads)).toEqual(blocks);
  });
});

describe('coreMasks', () => {
  it('has a bit for each core, in words of 64', () => {
    expect([...coreMasks([[0, 9], [63]])]).toEqual([1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128]);
    expect(coreMasks([[64], [2]])).toEqual(
      Uint8Array.from({ length: 32 }, (_, i) => ({ 8: 1, 16: 4 })[i] ?? 0),
    );
  });
});

describe('coreList', () => {
  it.each([
    ['0-1\n', [0, 1]],
    ['0-2,8,10-11', [0, 1, 2, 8, 10, 11]],
    ['\n', []],
  ])('reads %j', (text, cores) => {
    expect(coreList(text)).toEqual(cores);
  });
});
