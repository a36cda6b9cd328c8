/** Decodes JPEGs to RGB, bit for bit as libjpeg does (smooth chroma upsampling), and refuses what libjpeg only warns about. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import decode, { init } from '@jsquash/jpeg/decode.js';
import { LockstepError } from '../errors.js';

interface Pixels {
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** The codec is made for browsers and returns its result in this class, which Node lacks. */
class PixelData implements Pixels {
  constructor(
    readonly data: Uint8ClampedArray,
    readonly width: number,
    readonly height: number,
  ) {}
}

/** The part of the global WebAssembly that is used here; the compiler's library has it among the browser's types only. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: { compile(bytes: Uint8Array): Promise<object> };
};

/** What libjpeg said first about the image that is being decoded. */
let complaint = '';
let codec: Promise<void> | undefined;

/**
 * @param bytes a whole JPEG file
 * @param side expected width and height, pixels
 * @param where names the image in a message
 * @returns side x side x 3 bytes, HWC, RGB
 * @throws LockstepError DATA when it is truncated, corrupt, not a JPEG, or of another size
 */
export async function decodeJpeg(bytes: Uint8Array, side: number, where: string): Promise<Uint8Array> {
  codec ??= load();
  await codec;
  complaint = '';
  let pixels: Pixels;
  try {
    const { buffer, byteOffset, byteLength } = bytes;
    pixels = (await decode(
      buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer,
    )) as unknown as Pixels;
  } catch (cause) {
    // libjpeg leaves by exit(), which ends the WebAssembly instance.
    codec = undefined;
    throw unreadable(where, complaint || String(cause), cause);
  }
  if (complaint !== '') throw unreadable(where, complaint);
  if (pixels.width !== side || pixels.height !== side) {
    throw new LockstepError(
      'DATA',
      `${where}: the image is ${pixels.width}x${pixels.height} pixels, not ${side}x${side}.`,
    );
  }
  const rgb = new Uint8Array(side * side * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4) {
    rgb[to++] = pixels.data[from]!;
    rgb[to++] = pixels.data[from + 1]!;
    rgb[to++] = pixels.data[from + 2]!;
  }
  return rgb;
}

function unreadable(where: string, why: string, cause?: unknown): LockstepError {
  return new LockstepError('DATA', `${where}: not a whole, sound JPEG: ${why}.`, {
    hint: 'Get the file again.',
    cause,
  });
}

async function load(): Promise<void> {
  const globals = globalThis as { ImageData?: unknown };
  globals.ImageData ??= PixelData;
  const file = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
  const module = await WebAssembly.compile(await readFile(file));
  const start = init as unknown as (
    module: object,
    options: { printErr: (line: string) => void },
  ) => Promise<void>;
  await start(module, {
    printErr: (line) => {
      complaint ||= line;
    },
  });
}
