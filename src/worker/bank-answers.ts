/** What the coordinator asks of the features that a worker keeps, and the frames that answer it. */
import { LockstepError } from '../shared/errors.js';
import type { CoordinatorMessageOf, WorkerMessage } from '../shared/protocol/messages.js';
import type { FeatureBank } from './feature-bank.js';

/** @throws LockstepError PROTOCOL for frames that do not fit */
export async function answer(
  bank: FeatureBank,
  message: CoordinatorMessageOf<'neighbours' | 'moments' | 'probe'>,
  frames: readonly Uint8Array[],
  send: (reply: WorkerMessage, ...frames: Uint8Array[]) => Promise<void>,
): Promise<void> {
  switch (message.type) {
    case 'neighbours': {
      const [queries] = floats(frames, 1);
      const { similarities, images } = await bank.nearest(queries!, message.rows, message.k);
      await send({ type: 'neighbours' }, bytes(similarities), bytes(images));
      break;
    }
    case 'moments':
      await send({ type: 'moments' }, ...(await bank.moments()).map(bytes));
      break;
    case 'probe': {
      const [shift, scale, weights, bias] = floats(frames, 4) as [
        Float32Array,
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const blocks = await bank.probe({ shift, scale, weights, bias });
      await send({ type: 'probed' }, ...blocks.map(bytes));
    }
  }
}

/** A frame's bytes may begin anywhere: a copy is aligned. */
function floats(frames: readonly Uint8Array[], count: number): Float32Array[] {
  if (frames.length !== count || frames.some(({ length }) => length % 4 !== 0)) {
    throw new LockstepError('PROTOCOL', `${frames.length} frames came where ${count} of float32 belong.`);
  }
  return frames.map((frame) => new Float32Array(new Uint8Array(frame).buffer));
}

function bytes(values: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
