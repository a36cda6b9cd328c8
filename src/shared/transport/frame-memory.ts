/** Gives the memory of received frames back early, by small garbage collections instead of full ones. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { workerNodeFlags } from '../worker-process.js';

/**
 * V8 counts a received frame as memory outside of its heap, and such memory soon starts a full collection: about ten for
 * one exchange of ResNet-50's gradients over TCP, half of its processor time. Frames die young, so a collection
 * of the young generation (0.3 ms) after some of them frees them.
 */
const bytesBetweenCollections = workerNodeFlags.every((flag) => process.execArgv.includes(flag))
  ? 8 << 20
  : 2 << 20;

const collectYoung = exposed();

export class FrameMemory {
  #bytes = 0;

  /** Counts a message's frames. True when they were collected: then the event loop must turn to free them. */
  received(frames: readonly Uint8Array[]): boolean {
    for (const { byteLength } of frames) this.#bytes += byteLength;
    if (this.#bytes < bytesBetweenCollections) return false;
    this.#bytes = 0;
    collectYoung?.({ type: 'minor' });
    return collectYoung !== undefined;
  }
}

/** V8's own `gc`, which appears in contexts that are made while the flag is set. */
function exposed(): ((options: { type: 'minor' }) => void) | undefined {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('globalThis.gc');
  setFlagsFromString('--no-expose-gc');
  return typeof found === 'function' ? (found as (options: { type: 'minor' }) => void) : undefined;
}
