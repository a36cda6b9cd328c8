/** What the all-reduce and the all-gather need of the mesh, so that they are tested without a network. */
import type { Listener } from './inbox.js';
import type { Values } from './values.js';
import type { BulkKind, BulkPart } from './wire.js';

/** A header without what the mesh itself knows. */
export type Envelope = Omit<BulkPart, 'length' | 'type' | 'at'>;

export interface PeerExchange {
  readonly rank: number;
  readonly worldSize: number;

  /** Whether what is sent in one turn of the event loop goes to each peer as one message, so that it pays to wait for more. */
  readonly coalesces: boolean;

  /** How a peer is named in an error: its rank and host. */
  nameOf(rank: number): string;

  /** A copy of values in memory that they can be sent from; valid until the step's commit. */
  place<T extends Values>(values: T): T;

  /**
   * Memory for the step's sums, which all workers of this host have in common: what one writes there nobody needs to copy.
   * All must ask for the same lengths. Undefined where there is none.
   */
  sums(lengths: readonly number[]): Float32Array[] | undefined;

  /** Whether values elsewhere, that stay as they are until the step's commit, can be sent from where they lie. */
  canSend(values: Values): boolean;

  /** Sends values from `place` or `sums`, or that `canSend` accepts, to a peer, in order of the calls for each peer. Failures go to the listeners. */
  send(to: number, envelope: Envelope, payload: Values): void;

  /** Hands over a step's messages of some kinds; returns how to stop. */
  listen(step: number, kinds: readonly BulkKind[], listener: Listener): () => void;
}
