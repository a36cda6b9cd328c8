/** One run of a scaling study: the product's own training, whose steps are timed and whose results are thrown away. */
import type { Config } from '../../shared/config/schema.js';
import { type SimulatedCompute, simulatedComputeEnvironment } from '../../shared/simulation/compute.js';
import type { Link } from '../../shared/simulation/link.js';
import { openLinks } from '../../shared/simulation/links-thread.js';
import { type GroupOptions, withWorkers } from '../run.js';
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
  /** Where workers that are started by others reach this process; without it they are local ones. */
  readonly place?: Place | undefined;
  readonly simulatedCompute?: SimulatedCompute | undefined;
  readonly simulatedLink?: Link | undefined;
}

export type Place = Pick<GroupOptions, 'bind' | 'advertise'> & { readonly joinFile: string };

export interface Measured {
  /** Without those of the warm-up; fewer than asked for when the run was stopped. */
  readonly steps: readonly MeasuredStep[];
  /** Of the workers, by rank. */
  readonly hosts: readonly string[];
}

/** @throws LockstepError as `withWorkers` and `Training` */
export async function measure(options: Measurement): Promise<Measured> {
  const { config, workers, warmup, steps, logs, log, stop, simulatedCompute, simulatedLink } = options;
  const { place = { bind: 'tcp://127.0.0.1:*' } } = options;
  const launch = options.place === undefined ? 'local' : 'remote';
  const measured: MeasuredStep[] = [];
  let hosts: readonly string[] = [];
  const links = simulatedLink === undefined ? undefined : openLinks(simulatedLink);
  try {
    await withWorkers(
      {
        ...{ config, workers, launch, ...place, logs, restarts: 0, log },
        environment: simulatedComputeEnvironment(simulatedCompute),
        ...(links === undefined ? {} : { route: (peers) => links.route(peers) }),
      },
      async (ready) => {
        hosts = ready.group.members.map(({ registration: { host } }) => host);
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
  return { steps: measured, hosts };
}
