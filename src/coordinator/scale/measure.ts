/** One run of a scaling study: the product's own training, whose steps are timed and whose results are thrown away. */
import type { Config } from '../../shared/config/schema.js';
import { type SimulatedCompute, simulatedComputeEnvironment } from '../../shared/simulation/compute.js';
import type { Link } from '../../shared/simulation/link.js';
import { openLinks } from '../../shared/simulation/links-thread.js';
import { withWorkers } from '../run.js';
import { Training } from '../training.js';
import type { MeasuredStep } from './study.js';

export interface Measurement {
  readonly config: Config;
  readonly workers: number;
  readonly warmup: number;
  readonly steps: number;
  /** Where workers' logs go. */
  readonly logs: string;
  readonly log: (message: string) => void;
  /** Aborted when the study is to end early. */
  readonly stop: AbortSignal;
  readonly simulatedCompute?: SimulatedCompute | undefined;
  readonly simulatedLink?: Link | undefined;
}

/**
 * The measured steps, without those of the warm-up.
 * @throws LockstepError as `withWorkers` and `Training`; fewer steps than asked for when it was stopped
 */
export async function measure(options: Measurement): Promise<MeasuredStep[]> {
  const { config, workers, warmup, steps, logs, log, stop, simulatedCompute, simulatedLink } = options;
  const measured: MeasuredStep[] = [];
  const links = simulatedLink === undefined ? undefined : openLinks(simulatedLink);
  try {
    await withWorkers(
      {
        ...{ config, workers, launch: 'local', bind: 'tcp://127.0.0.1:*', logs, restarts: 0, log },
        environment: simulatedComputeEnvironment(simulatedCompute),
        ...(links === undefined ? {} : { route: (peers) => links.route(peers) }),
      },
      async (ready) => {
        let last = performance.now();
        await new Training({
          ...ready,
          config,
          firstStep: 0,
          stop,
          endOf: () => warmup + steps,
          observer: {
            stage: () => {},
            step: ({ step }, _position, _fingerprint, ranks) => {
              const now = performance.now();
              if (step > warmup) {
                measured.push({
                  ms: now - last,
                  ranks: ranks.map(({ input, compute, exposedComm, commit }) => [
                    ...([input, compute, exposedComm, commit] as const),
                  ]),
                });
              }
              last = now;
            },
            evaluation: () => {},
            checkpoint: () => Promise.resolve(),
            wantsCheckpoint: false,
          },
        }).run();
      },
    );
  } finally {
    await links?.close();
  }
  return measured;
}
