/** The serialised ConfigProto and RunOptions of a session: the few fields that Lockstep sets, by field number. */
import { LockstepError } from '../errors.js';
import { integerField, messageField } from '../protobuf.js';
import type { Device } from './device.js';

export type Precision = 'float32' | 'bfloat16' | 'float16';

export interface SessionConfig {
  /** What Grappler may compute convolutions in; weights and everything else stay float32. */
  readonly precision: Precision;
  readonly device: Device;
}

const ON = 1;

/**
 * ConfigProto (tensorflow/core/protobuf/config.proto, rewriter_config.proto).
 * @throws LockstepError CONFIG as `checkPrecision`
 */
export function configProto(config: SessionConfig): Uint8Array {
  checkPrecision(config);
  const graphOptions = messageField(10, messageField(10, rewriterConfig(config)));
  const softPlacement = integerField(7, ON);
  return Buffer.concat([softPlacement, graphOptions]);
}

/**
 * Grappler is for mixed precision, and for GPUs' layouts. In float32 on a CPU it leaves a step's time as it is, makes the
 * first one about three seconds longer (ResNet-50), and takes a tenth of the memory; in bfloat16 the second time that it
 * goes through a graph gives nothing, and takes a second: see docs/design.md.
 */
function rewriterConfig({ precision, device }: SessionConfig): Uint8Array {
  const pass = mixedPrecisionPass[precision];
  if (pass === undefined) return device === 'cpu' ? integerField(19, ON) : Buffer.alloc(0); // disable_meta_optimizer
  const once = device === 'cpu' ? integerField(12, 1) : Buffer.alloc(0); // meta_optimizer_iterations = ONE
  return Buffer.concat([integerField(pass, ON), once]);
}

/** Grappler's passes: auto_mixed_precision = 23 is float16 on GPUs, auto_mixed_precision_onednn_bfloat16 = 31 the CPU's. */
const mixedPrecisionPass: Readonly<Record<Precision, number | undefined>> = {
  float32: undefined,
  bfloat16: 31,
  float16: 23,
};

/**
 * Each pass looks at the nodes of one kind of device only (auto_mixed_precision.cc), and would leave the others in
 * float32 without a word. The one that has float16 emulated on a CPU (auto_mixed_precision_cpu) ends the process.
 */
export function canCompute({ precision, device }: SessionConfig): boolean {
  return precision === 'float32' || precision === (device === 'cpu' ? 'bfloat16' : 'float16');
}

/** @throws LockstepError CONFIG where TensorFlow can't compute so */
export function checkPrecision(config: SessionConfig): void {
  if (canCompute(config)) return;
  const [message, hint] =
    config.precision === 'float16'
      ? [
          'precision float16 needs a GPU: TensorFlow can not compute so on a CPU.',
          'Use bfloat16 there, which needs no loss scaling.',
        ]
      : [
          'precision bfloat16 needs a CPU: TensorFlow has no such pass for GPUs.',
          'Use float16 there, with loss scaling by default.',
        ];
  throw new LockstepError('CONFIG', message, { hint });
}

/** RunOptions with inter_op_thread_pool = -1: the run stays in the thread that called it. */
export const runInCallerThread = Uint8Array.from([3 * 8, ...Array<number>(9).fill(0xff), 0x01]);
