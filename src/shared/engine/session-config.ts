/** The serialised ConfigProto and RunOptions of a session: the few fields that Lockstep sets, by field number. */
import { integerField, messageField } from '../protobuf.js';

export type Precision = 'float32' | 'bfloat16' | 'float16';

export interface SessionConfig {
  /** What Grappler may compute convolutions and matrix products in; weights and everything else stay float32. */
  readonly precision: Precision;
  readonly device: 'cpu' | 'gpu';
}

const ON = 1;

/** ConfigProto (tensorflow/core/protobuf/config.proto, rewriter_config.proto). */
export function configProto({ precision, device }: SessionConfig): Uint8Array {
  const rewriter =
    precision === 'float32'
      ? Buffer.alloc(0)
      : // auto_mixed_precision = 23 chooses float16 on a GPU; auto_mixed_precision_onednn_bfloat16 = 31 is the CPU's.
        integerField(device === 'gpu' ? 23 : 31, ON);
  const graphOptions = messageField(10, messageField(10, rewriter));
  const gpuOptions = messageField(6, integerField(4, ON)); // allow_growth
  const softPlacement = integerField(7, ON);
  return Buffer.concat([gpuOptions, softPlacement, graphOptions]);
}

/** RunOptions with inter_op_thread_pool = -1: the run stays in the thread that called it. */
export const runInCallerThread = Uint8Array.from([3 * 8, ...Array<number>(9).fill(0xff), 0x01]);
