/** How long the sharded all-reduce takes on a network, by latency and bandwidth. */
import { type LinkModel, linkMs } from './link-model.js';

/** One worker's link, in each direction. */
export type WorkerLink = Pick<LinkModel, 'latencyMs' | 'bytesPerSecond'>;

export interface AllReduce {
  readonly workers: number;
  /** What is reduced, the same on every worker. */
  readonly bytes: number;
  /**
   * Partial sums that a worker sends of everything it computed: 1 where its micro-batches are one node of the tree, as
   * equal shares of a power of two are. Default 1.
   */
  readonly nodes?: number;
}

/**
 * Bytes that each worker sends, and receives: of all slices but its own the contribution, of its own the sum to all
 * others. With one node that is 2·(N−1)/N of the bytes, the traffic of a ring.
 */
export function allReduceTraffic({ workers, bytes, nodes = 1 }: AllReduce): number {
  return ((1 + nodes) * (workers - 1) * bytes) / workers;
}

/**
 * t = 2·α + traffic / β, for a switch that does not block. Latency counts once a hop, of which there are two whatever N:
 * the messages of a hop, to different peers and of different buckets, are under way together. A ring has 2·(N−1) hops.
 */
export function allReduceMs(all: AllReduce, link: WorkerLink): number {
  return all.workers === 1 ? 0 : link.latencyMs + linkMs(link, allReduceTraffic(all));
}
