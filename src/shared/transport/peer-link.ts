/** The way to one peer, and the two paths that a payload takes: frames, or shared memory. */
import { LockstepError } from '../errors.js';
import type { Outbox } from './outbox.js';
import { bytesPerValue, type Values, valuesAt } from './values.js';
import { type Bulk, type BulkHeader, type BulkPart, encode, mostParts } from './wire.js';

/** The most bytes of one frame: a heartbeat waits for the frame before it. */
export const frameBytes = 4 << 20;
/** A message leaves as soon as its parts come to so many bytes: whoever gets it reads all before its event loop goes on. */
const turnBytes = 4 << 20;

/** Who sends, as a message says it. */
export type Sender = Pick<Bulk, 'generation' | 'ticket' | 'from'>;

/** What is sent in one turn. */
interface Turn {
  readonly parts: BulkPart[];
  bytes: number;
  /** When it is on its way. */
  readonly sent: Promise<void>;
  /** Undefined before it leaves. */
  message: Promise<void> | undefined;
}

export interface PeerLink {
  readonly path: 'frames' | 'shared memory';
  /**
   * Sends values that `Mesh.canSend` accepts from where they lie. Resolves when they are on their way; the memory
   * must stay as it is until the step's commit.
   */
  send(part: BulkPart, payload: Values): Promise<void>;
}

/** The values follow the header as raw frames, without a copy. */
export class FrameLink implements PeerLink {
  readonly path = 'frames';

  constructor(
    readonly outbox: Outbox,
    readonly sender: Sender,
  ) {}

  send(part: BulkPart, payload: Values): Promise<void> {
    const frames: Uint8Array[] = [encode(bulk(this.sender, [part]))];
    for (let at = 0; at < payload.byteLength; at += frameBytes) {
      const bytes = Math.min(frameBytes, payload.byteLength - at);
      frames.push(new Uint8Array(payload.buffer, payload.byteOffset + at, bytes));
    }
    return this.outbox.send(frames);
  }
}

function bulk(sender: Sender, parts: BulkPart[]): Bulk {
  return { kind: 'bulk', ...sender, parts };
}

/** The memory that a peer has in common with us. */
export interface CommonMemory {
  /** The sender's own. */
  readonly region: ArrayBuffer | undefined;
  /** The host's, for sums. */
  readonly sums: ArrayBuffer | undefined;
}

/**
 * The peer has mapped our memory: the header says where the values lie. What is sent in one turn of the event loop is one
 * message, since a message costs both sides more than the values in it. Values outside of that memory follow as frames.
 */
export class SharedMemoryLink implements PeerLink {
  readonly path = 'shared memory';
  readonly #frames: FrameLink;
  #turn: Turn | undefined;

  constructor(
    readonly outbox: Outbox,
    readonly sender: Sender,
    readonly memory: CommonMemory,
  ) {
    this.#frames = new FrameLink(outbox, sender);
  }

  send(part: BulkPart, payload: Values): Promise<void> {
    const { region, sums } = this.memory;
    const memory = payload.buffer === region ? 'sender' : payload.buffer === sums ? 'sums' : undefined;
    if (memory === undefined) {
      // Behind what waits.
      if (this.#turn !== undefined) void this.#leave(this.#turn);
      return this.#frames.send(part, payload);
    }
    this.#turn ??= this.#begin();
    const turn = this.#turn;
    turn.parts.push({ ...part, at: { memory, offset: payload.byteOffset } });
    turn.bytes += payload.byteLength;
    if (turn.bytes >= turnBytes || turn.parts.length === mostParts) void this.#leave(turn);
    return turn.sent;
  }

  #begin(): Turn {
    const sent = Promise.resolve().then(() => this.#leave(turn));
    const turn: Turn = { parts: [], bytes: 0, sent, message: undefined };
    return turn;
  }

  /** Never rejects unheard: `sent` ends as it does. */
  #leave(turn: Turn): Promise<void> {
    if (this.#turn === turn) this.#turn = undefined;
    turn.message ??= this.outbox.send([encode(bulk(this.sender, turn.parts))]);
    return turn.message;
  }
}

/**
 * The values of a part: in shared memory where the header says so, else in the frames after it.
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
