/** The run for TensorBoard's table of hyper-parameters: hparams' plugin_data.proto, and struct.proto for values. */
import { bytesField, doubleField, integerField, messageField } from '../../shared/protobuf.js';
import type { RunRecord } from '../run-folder.js';
import type { Summary } from '../summary.js';
import { pluginData, scalar } from './event.js';

type Value = string | number | boolean;

/** Keys of the config that say how a run is done, not what it learns. */
const operational = new Set(['checkpoint', 'recovery', 'deadlines', 'exchange', 'evaluate', 'name']);

/** What it began with: every plain value of the config, and the workers, which change its speed alone. */
export function sessionStarted({ config, startedAt, topology }: RunRecord): Buffer {
  const SESSION_START_INFO = 3;
  const { workers } = topology;
  const values = [
    ...hyperparameters(config),
    ...(typeof workers === 'number' ? [['workers', workers] as const] : []),
  ];
  return plugin(
    '_hparams_/session_start_info',
    SESSION_START_INFO,
    ...values.map(([name, value]) =>
      messageField(1, bytesField(1, name), messageField(2, valueField(value))),
    ),
    doubleField(5, Date.parse(startedAt) / 1000),
  );
}

/**
 * That the run has ended well, and its final accuracy, which the table takes from a scalar. Of a run that failed nothing is
 * said: TensorBoard keeps what it reads first, and the run may yet go on.
 * @param wallTime seconds since 1970
 */
export function sessionEnded({ accuracy }: Summary, wallTime: number): Buffer[] {
  const SESSION_END_INFO = 4;
  const SUCCESS = 1;
  return [
    plugin(
      '_hparams_/session_end_info',
      SESSION_END_INFO,
      integerField(1, SUCCESS),
      doubleField(2, wallTime),
    ),
    ...(accuracy === null ? [] : [scalar('hparam/accuracy', accuracy)]),
  ];
}

/** By name, as `model.encoder`; those of stages by the stage's, as `pretrain.optimizer.kind`. */
export function hyperparameters(config: unknown): [name: string, value: Value][] {
  const { stages, ...rest } = config as Record<string, unknown>;
  const common = Object.entries(rest).filter(([key]) => !operational.has(key));
  const staged = Array.isArray(stages) ? stages : [];
  return [
    ...common.flatMap(([key, value]) => leaves(key, value)),
    ...staged.flatMap(({ name, ...stage }: { readonly name: string }) => leaves(name, stage)),
  ];
}

function leaves(path: string, value: unknown): [string, Value][] {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return [[path, value]];
  if (Array.isArray(value)) return [[path, JSON.stringify(value)]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => leaves(`${path}.${key}`, inner));
}

/** google.protobuf.Value */
function valueField(value: Value): Buffer {
  if (typeof value === 'number') return doubleField(2, value);
  if (typeof value === 'string') return bytesField(3, value);
  return integerField(4, value ? 1 : 0);
}

function plugin(tag: string, kind: number, ...fields: readonly Uint8Array[]): Buffer {
  return pluginData(tag, 'hparams', messageField(kind, ...fields));
}
