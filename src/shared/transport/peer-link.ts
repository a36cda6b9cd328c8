/** The way to one peer, and the two paths that a payload takes: frames, or shared memory. */
import { LockstepError } from '../errors.js';
import type { Outbox } from './outbox.js';
import { bytesPerValue, type Values, valuesAt } from './values.js';
import { type BulkHeader, encode } from './wire.js';

/** The most bytes of one frame: a heartbeat waits for the frame before it. */
export const frameBytes = 4 << 20;

export interface PeerLink {
  readonly path: 'frames' | 'shared memory';
  /**
   * Sends values that `Mesh.canSend` accepts from where they lie. Resolves when they are on their way; the memory
   * must stay as it is until the step's commit.
   */
  send(header: BulkHeader, payload: Values): Promise<void>;
}

/** The values follow the header as raw frames, without a copy. */
export class FrameLink implements PeerLink {
  readonly path = 'frames';

  constructor(readonly outbox: Outbox) {}

  send(header: BulkHeader, payload: Values): Promise<void> {
    const frames: Uint8Array[] = [encode(header)];
    for (let at = 0; at < payload.byteLength; at += frameBytes) {
      const bytes = Math.min(frameBytes, payload.byteLength - at);
      frames.push(new Uint8Array(payload.buffer, payload.byteOffset + at, bytes));
    }
    return this.outbox.send(frames);
  }
}

/** The memory that a peer has in common with us. */
export interface CommonMemory {
  /** The sender's own. */
  readonly region: ArrayBuffer | undefined;
  /** The host's, for sums. */
  readonly sums: ArrayBuffer | undefined;
}

/** The peer has mapped our memory: the header says where the values lie. Values outside of it follow as frames. */
export class SharedMemoryLink implements PeerLink {
  readonly path = 'shared memory';
  readonly #frames: FrameLink;

  constructor(
    readonly outbox: Outbox,
    readonly memory: CommonMemory,
  ) {
    this.#frames = new FrameLink(outbox);
  }

  send(header: BulkHeader, payload: Values): Promise<void> {
    const { region, sums } = this.memory;
    const memory = payload.buffer === region ? 'sender' : payload.buffer === sums ? 'sums' : undefined;
    if (memory === undefined) return this.#frames.send(header, payload);
    return this.outbox.send([encode({ ...header, at: { memory, offset: payload.byteOffset } })]);
  }
}

/**
 * The values of a message: in shared memory where the header says so, else in the frames after the header.
 *
 * @throws LockstepError PROTOCOL when they are not where or as many as the header says
 */
export function payloadOf(header: BulkHeader, frames: readonly Uint8Array[], common: CommonMemory): Values {
  const { type, length } = header;
  const size = bytesPerValue(type);
  const bytes = length * size;
  if (header.at !== undefined) {
    const { memory, offset } = header.at;
    const buffer = memory === 'sums' ? common.sums : common.region;
    if (buffer === undefined) throw malformed(header, 'points into memory that is not mapped');
    if (offset % size !== 0 || offset + bytes > buffer.byteLength) {
      throw malformed(header, 'points outside of its shared memory');
    }
    return valuesAt(type, buffer, offset, length);
  }
  const came = frames.reduce((sum, frame) => sum + frame.byteLength, 0);
  if (came !== bytes) throw malformed(header, `announces ${bytes} bytes and brings ${came}`);
  const [first] = frames;
  if (first !== undefined && frames.length === 1 && first.byteOffset % size === 0) {
    return valuesAt(type, first.buffer as ArrayBuffer, first.byteOffset, length);
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const frame of frames) {
    whole.set(frame, at);
    at += frame.byteLength;
  }
  return valuesAt(type, whole.buffer, 0, length);
}

function malformed(header: BulkHeader, what: string): LockstepError {
  return new LockstepError(
    'PROTOCOL',
    `The ${header.kind} of rank ${header.from} to bucket ${header.bucket} of step ${header.step} ${what}.`,
  );
}
