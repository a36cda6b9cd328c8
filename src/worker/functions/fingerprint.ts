/** The fingerprint of a replica: 64 bits over all weights and statistics, computed where they are. */
import { tfType } from '../../shared/engine/dtype.js';
import type { Session } from '../../shared/engine/session.js';
import { tf } from '../../shared/engine/tensorflow.js';
import type { Trace } from '../../shared/engine/trace.js';
import type { TracedFunction } from '../../shared/engine/traced-function.js';
import type { Variable } from '../../shared/engine/variable.js';

/**
 * FarmHash64 of each variable's bytes, and of those hashes together (TensorFlow's Fingerprint operation): replicas that
 * differ in one bit differ here, but for one chance in 2^64.
 */
export function traceFingerprint(
  session: Session,
  name: string,
  variables: readonly Variable[],
): TracedFunction {
  const build = (t: Trace) => {
    const hashes = variables.map((variable) => hash(t, tf.reshape(t.read(variable), [1, -1])));
    if (hashes.length === 1) return { fingerprint: hashes[0]! };
    const [all] = t.op('ConcatV2', [...hashes, tf.scalar(1, 'int32')], {
      N: { kind: 'int', value: hashes.length },
      T: { kind: 'type', value: tfType.uint8 },
    });
    return { fingerprint: hash(t, all!) };
  };
  return session.trace(name, build, { beside: true });
}

/** uint8 [1, 8] from a tensor [1, n] of any type. */
function hash(t: Trace, row: ReturnType<Trace['read']>) {
  return t.op('Fingerprint', [row, t.text('farmhash64')])[0]!;
}

/** Runs it; 16 hexadecimal digits. */
export async function fingerprint(traced: TracedFunction): Promise<string> {
  const { fingerprint: value } = await traced.run();
  try {
    return Buffer.from(value!.data as Uint8Array).toString('hex');
  } finally {
    value!.free();
  }
}
