/** Decodes JPEGs to RGB, bit for bit as libjpeg does (smooth chroma upsampling), and refuses what libjpeg only warns about. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import startCodec from '@jsquash/jpeg/codec/dec/mozjpeg_dec.js';
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

/** mozjpeg's decoder, compiled to WebAssembly. Throws when libjpeg gives up. */
interface Codec {
  decode(bytes: Uint8Array, preserveOrientation: boolean): Pixels | null;
}

/** What Emscripten's start-up takes. */
interface CodecOptions {
  readonly noInitialRun: boolean;
  readonly instantiateWasm: (imports: object, done: (instance: object) => void) => object;
  readonly printErr: (line: string) => void;
}

/** The part of the global WebAssembly that is used here; the compiler's library has it among the browser's types only. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    compile(bytes: Uint8Array): Promise<object>;
    Instance: new (module: object, imports: object) => { readonly exports: object };
  };
};

let codec: Codec | undefined;
/** What libjpeg said first about the image that is being decoded. */
let complaint = '';

/**
 * @param bytes a whole JPEG file
 * @param side expected width and height, pixels
 * @param where names the image in a message
 * @returns side x side x 3 bytes, HWC, RGB
 * @throws LockstepError DATA when it is truncated, corrupt, not a JPEG, or of another size
 */
export async function decodeJpeg(bytes: Uint8Array, side: number, where: string): Promise<Uint8Array> {
  while (codec === undefined) codec = await load();
  complaint = '';
  let pixels: Pixels | null;
  // From here to the verdict nothing awaits: another import's image must not come between.
  try {
    pixels = codec.decode(bytes, false);
  } catch (cause) {
    // libjpeg leaves by exit(), which ends the WebAssembly instance.
    codec = undefined;
    throw unreadable(where, complaint || String(cause), cause);
  }
  if (complaint !== '' || pixels === null) throw unreadable(where, complaint || 'no image came out');
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

async function load(): Promise<Codec> {
  const globals = globalThis as { ImageData?: unknown };
  globals.ImageData ??= PixelData;
  const file = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
  const module = await WebAssembly.compile(await readFile(file));
  const start = startCodec as unknown as (options: CodecOptions) => Promise<Codec>;
  return await start({
    noInitialRun: true,
    instantiateWasm: (imports, done) => {
      const instance = new WebAssembly.Instance(module, imports);
      done(instance);
      return instance.exports;
    },
    printErr: (line) => {
      complaint ||= line;
    },
  });
}
