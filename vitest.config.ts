import { defineConfig } from 'vitest/config';

// Several workers' sessions share a test's process, and each of their runs in flight holds a thread of libuv's pool.
process.env.UV_THREADPOOL_SIZE ??= '32';
// Tests have more workers than a host has GPUs, and compare what processors compute.
process.env.CUDA_VISIBLE_DEVICES = '';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'],
    pool: 'forks',
    // Two cores: more forks than that only makes the tests that start real workers slower.
    maxWorkers: 2,
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
