/** A run that can be started again and again: what is fed and fetched each time. */
import type { OutputRef } from './c-api.js';
import type { Graph, Operation } from './graph.js';
import type { HostTensor } from './host-tensor.js';
import type { SessionConfig } from './session-config.js';

/** The fixed part of a run: what is fed, fetched and only executed, packed once. */
export interface Signature {
  readonly inputs: readonly OutputRef[];
  readonly outputs: readonly OutputRef[];
  readonly targets: readonly Operation[];
  /**
   * Whether it runs beside a longer one, in the thread that calls it: it would otherwise wait for one of the session's
   * threads, and a bucket would leave its stream only when the step is over. Default false.
   */
  readonly beside?: boolean;
}

/** Feeds in the order of the signature's inputs; they stay the caller's. The outputs are the caller's to free. */
export type PreparedRun = (feeds: readonly HostTensor[]) => Promise<HostTensor[]>;

/** What prepares runs: a session. */
export interface Runner {
  readonly config: SessionConfig;
  readonly graph: Graph;
  prepare(signature: Signature): PreparedRun;
}
