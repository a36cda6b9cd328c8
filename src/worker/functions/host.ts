/** The host, as a run that goes on sees it. */
import type { Tensor } from '@tensorflow/tfjs-node-gpu';

/**
 * What a micro-batch exchanges with all others of its step: its embeddings for the gradient of the global loss with
 * respect to them, or what BatchNorm knows of it for what is true of the global batch.
 */
export type ExchangeKind = 'embeddings' | 'moments' | 'sums';

/** How a micro-batch's run talks with the host while it runs. */
export interface Host {
  /** A bucket of gradients or statistics leaves, flat float32. */
  send(bucket: number, values: Tensor): void;
  /** A float32 value leaves; the run waits for the answer, which has the same shape. */
  exchange(kind: ExchangeKind, name: string, value: Tensor): Tensor;
}
