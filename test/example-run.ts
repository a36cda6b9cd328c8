/** A run with made-up numbers, as reports meet it: no worker is started for it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MetricsEvent, StepEvent } from '../src/coordinator/metrics.js';
import type { RunData } from '../src/coordinator/report/run-data.js';
import type { RunRecord } from '../src/coordinator/run-folder.js';
import type { Summary } from '../src/coordinator/summary.js';

export interface Example {
  readonly name: string;
  readonly stages: readonly { readonly name: string; readonly objective: string; readonly epochs: number }[];
  readonly stepsPerEpoch: number;
  /** Steps after which the run was left; all of them without it. */
  readonly until?: number;
}

const batch = { microBatches: 4, microBatchSize: 16 };

export const traditional: Example = {
  name: 'traditional',
  stages: [{ name: 'train', objective: 'softmax', epochs: 4 }],
  stepsPerEpoch: 10,
};
export const contrastive: Example = {
  name: 'contrastive',
  stages: [
    { name: 'pretrain', objective: 'npairs', epochs: 3 },
    { name: 'head', objective: 'softmax', epochs: 2 },
  ],
  stepsPerEpoch: 10,
};

/** Loss 4/step, accuracy step/100 (test: 0.4 in the end), 1000 images/s, learning rate 0.1; a step has 64 ms. */
export function exampleEvents({ stages, stepsPerEpoch, until }: Example): MetricsEvent[] {
  const events: MetricsEvent[] = [];
  let step = 0;
  for (const { name: stage, objective, epochs } of stages) {
    for (let inStage = 1; inStage <= epochs * stepsPerEpoch; inStage += 1) {
      if (step === until) return events;
      step += 1;
      const epoch = Math.ceil(inStage / stepsPerEpoch);
      events.push({
        ...{ type: 'step', stage, epoch, step, samples: inStage * 64, loss: 4 / step, lr: 0.1, gradNorm: 1 },
        ...(objective === 'softmax' ? { accuracy: step / 100 } : { excess: 1 / step }),
        ...{ imagesPerSec: 1000, workers: 2 },
        ms: { total: 64, input: 2, compute: 50, exposedComm: 6, commit: 2 },
      } satisfies StepEvent);
      if (objective === 'softmax' && inStage % stepsPerEpoch === 0) {
        events.push({ type: 'eval', stage, epoch, step, loss: 2 / epoch, accuracy: (0.4 * epoch) / epochs });
      }
    }
  }
  return events;
}

export function exampleRecord({ name, stages }: Example): RunRecord {
  return {
    ...{ format: 1, name, configDigest: 'c'.repeat(64), seed: 1, resumed: [] },
    config: {
      name,
      batch,
      stages,
      data: { dataset: 'sample' },
      model: { encoder: 'tiny' },
      precision: 'float32',
    },
    startedAt: '2026-03-04T05:06:07.000Z',
    commandLine: ['train', 'config.yaml'],
    topology: { workers: 2, launch: 'local', threads: 1 },
    versions: { lockstep: '0.1.0', node: 'v20.0.0' },
  };
}

export function exampleSummary({ stages }: Example): Summary {
  return {
    stages: stages.map((stage) => ({
      ...stage,
      loss: 0.5,
      accuracy: stage.objective === 'softmax' ? 0.4 : null,
    })),
    ...{ accuracy: 0.4, seconds: 75, weightsDigest: 'd'.repeat(64) },
  };
}

/** As it is read from a folder; a run that was left has no summary. */
export function exampleData(
  example: Example,
  events: readonly MetricsEvent[] = exampleEvents(example),
): RunData {
  const record = exampleRecord(example);
  return {
    ...{ path: `runs/${example.name}`, record, events, warnings: [] },
    planned: { batch, stages: [...example.stages], data: { dataset: 'sample' }, model: { encoder: 'tiny' } },
    steps: events.filter((event) => event.type === 'step'),
    summary: example.until === undefined ? exampleSummary(example) : undefined,
    ...{ failure: undefined, evaluation: undefined },
  };
}

/** @returns the run's folder, in `parent` */
export function writeExample(parent: string, example: Example, events = exampleEvents(example)): string {
  const run = join(parent, example.name);
  mkdirSync(run);
  writeFileSync(join(run, 'run.json'), JSON.stringify(exampleRecord(example)));
  writeFileSync(join(run, 'metrics.jsonl'), events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  if (example.until === undefined) {
    writeFileSync(join(run, 'summary.json'), JSON.stringify(exampleSummary(example)));
  }
  return run;
}
