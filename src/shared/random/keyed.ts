/** Randomness without state: every number is a function of the seed and of a key that names what it is for. */
import { normalQuantile } from './normal-quantile.js';

/** What a random number is for, e.g. `'augment', epoch, sampleId`. Numbers are safe integers. */
export type Key = readonly (number | string)[];

/**
 * MurmurHash3 (x86, 32 bits; Appleby, public domain) over an encoding of the key in 32-bit words that no two keys
 * share: an integer is its 64-bit two's complement, high word first; a string is 0x40000000 + its length and then
 * its UTF-16 units, two to a word, the first in the low half.
 *
 * @param seed 0 … 2³²−1
 * @returns an integer 0 … 2³²−1
 * @throws RangeError when a number in the key is not a safe integer
 */
export function hash32(seed: number, ...key: Key): number {
  const prefix = absorb(seed, key);
  return finish(prefix.state, prefix.words);
}

/** A number in [0, 1), a multiple of 2⁻³². */
export function uniform(seed: number, ...key: Key): number {
  return hash32(seed, ...key) / 0x1_0000_0000;
}

/** An integer 0 … bound−1, for a bound up to 2³¹; its bias is below bound / 2³². */
export function integerBelow(bound: number, seed: number, ...key: Key): number {
  return Math.floor(uniform(seed, ...key) * bound);
}

/** A draw from N(0, 1), the quantile of the key's hash; |value| < 6.34. The same bits on every machine. */
export function normal(seed: number, ...key: Key): number {
  return normalQuantile((hash32(seed, ...key) + 0.5) / 0x1_0000_0000);
}

/**
 * Fills `out` with N(0, 1): `out[i]` is `normal(seed, name, i)` rounded to float32. For initial weights: the
 * bits are the same on every machine, since only + − * / and sqrt take part (see normal-quantile.ts).
 */
export function fillNormal(out: Float32Array, seed: number, name: string): void {
  const prefix = absorb(seed, [name]);
  const state = mix(prefix.state, 0);
  const words = prefix.words + 2;
  for (let i = 0; i < out.length; i++) {
    out[i] = normalQuantile((finish(mix(state, i), words) + 0.5) / 0x1_0000_0000);
  }
}

interface Prefix {
  readonly state: number;
  readonly words: number;
}

function absorb(seed: number, key: Key): Prefix {
  let state = seed | 0;
  let words = 0;
  for (const part of key) {
    if (typeof part === 'number') {
      if (!Number.isSafeInteger(part)) throw new RangeError(`A random key takes safe integers, not ${part}`);
      state = mix(mix(state, Math.floor(part / 0x1_0000_0000)), part);
      words += 2;
    } else {
      state = mix(state, 0x40000000 + part.length);
      for (let i = 0; i < part.length; i += 2) {
        // Past the end charCodeAt is NaN, which `<<` makes 0.
        state = mix(state, part.charCodeAt(i) | (part.charCodeAt(i + 1) << 16));
      }
      words += 1 + Math.ceil(part.length / 2);
    }
  }
  return { state, words };
}

/** One block of MurmurHash3; `word` is taken modulo 2³². */
function mix(state: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = state ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(state: number, words: number): number {
  let h = state ^ (words * 4);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
