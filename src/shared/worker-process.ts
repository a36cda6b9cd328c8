/** What a worker's process must have from its start: `bin/lockstep` gives the same to workers that are started by hand. */

/**
 * Node flags with which a worker whose payloads travel as frames is a tenth faster: without them V8 begins to mark for a
 * full collection whenever it might come to one. Set later, the flag corrupts the heap.
 */
export const workerNodeFlags: readonly string[] = ['--no-incremental-marking'];

export const workerEnvironment: Readonly<Record<string, string>> = {
  // Every run of the session that is in flight holds one thread of libuv's pool.
  UV_THREADPOOL_SIZE: '64',
  // One heap for all threads: glibc would give each thread one, and what TensorFlow frees in one is of no use to another.
  // ResNet-50's step then takes up to 0.3 GB more.
  MALLOC_ARENA_MAX: process.env.MALLOC_ARENA_MAX ?? '1',
};
