/** What TensorBoard shows of a run: its record and its events as scalars and texts. */
import { stringify } from 'yaml';
import type { MetricsEvent, StepEvent } from '../metrics.js';
import { describeGeneration } from '../progress-text.js';
import type { RunRecord } from '../run-folder.js';
import { scalar, text } from './event.js';

/** The configuration, and who computes with what: the page's texts, at step 0. */
export function describeRun({
  name,
  config,
  startedAt,
  commandLine,
  topology,
  versions,
}: RunRecord): Buffer[] {
  return [
    text('run/config', yaml(config)),
    text('run/start', yaml({ name, startedAt, commandLine: commandLine.join(' '), topology, versions })),
  ];
}

export function describeEvent(event: MetricsEvent): Buffer[] {
  switch (event.type) {
    case 'step':
      return scalarsOf(event).map(([tag, value]) => scalar(tag, value));
    case 'eval':
      return [scalar('eval/loss', event.loss), scalar('eval/accuracy', event.accuracy)];
    case 'generation':
      return [text('run/generation', describeGeneration(event))];
    // The report draws it; TensorBoard has nothing for it.
    case 'trace':
      return [];
  }
}

function scalarsOf(event: StepEvent): [string, number][] {
  const { loss, accuracy, excess, lr, gradNorm, lossScale, skipped, imagesPerSec, workers, ms } = event;
  return [
    ['train/loss', loss],
    ...(accuracy === undefined ? [] : [['train/accuracy', accuracy] as [string, number]]),
    ...(excess === undefined ? [] : [['train/excess', excess] as [string, number]]),
    ['train/lr', lr],
    ...(skipped ? [] : [['train/grad_norm', gradNorm] as [string, number]]),
    ...(lossScale === undefined ? [] : [['train/loss_scale', lossScale] as [string, number]]),
    ['throughput/images_per_second', imagesPerSec],
    ['throughput/workers', workers],
    ['step_ms/total', ms.total],
    ['step_ms/input', ms.input],
    ['step_ms/compute', ms.compute],
    ['step_ms/exposed_comm', ms.exposedComm],
    ['step_ms/commit', ms.commit],
  ];
}

/** As a block of code, which Markdown leaves as it is. */
function yaml(value: unknown): string {
  return `\`\`\`yaml\n${stringify(value)}\`\`\``;
}
