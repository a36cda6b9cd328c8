import { describe, expect, it } from 'vitest';
import { gpusFor, idleGpus, visibleGpus } from './gpus.js';

const four = () => ['0', '1', 'GPU-2', '3'];

describe('GPUs', () => {
  it('are those that CUDA_VISIBLE_DEVICES names', () => {
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: '2,GPU-7' })).toEqual(['2', 'GPU-7']);
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: '' })).toEqual([]);
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: '-1' })).toEqual([]);
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: '0, 1,-1,2' })).toEqual(['0', '1']);
    expect(visibleGpus({ CUDA_VISIBLE_DEVICES: 'NoDevFiles' })).toEqual([]);
  });

  it('go to workers one by one, and no worker gets none of some', () => {
    expect(gpusFor(2, 'gpu', four)).toEqual(['0', '1']);
    expect(gpusFor(4, 'gpu', four)).toEqual(four());
    expect(() => gpusFor(5, 'gpu', four)).toThrow('5 workers need a GPU each; this host shows 4.');
    expect(gpusFor(5, 'gpu', () => [])).toEqual([]);
  });

  it('are nothing to the CPU build, which is said', () => {
    expect(gpusFor(5, 'cpu', four)).toEqual([]);
    expect(idleGpus('cpu', four)).toContain('the 4 GPUs of this host stay idle');
    expect(idleGpus('cpu', () => [])).toBeUndefined();
    expect(idleGpus('gpu', four)).toBeUndefined();
  });
});
