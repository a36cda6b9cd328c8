import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { png } from './png.js';
import { writeProjector } from './projector.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-projector-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The pixels of a PNG that our writer made: its rows without their filters. */
function pixelsOf(image: Buffer): { width: number; height: number; pixels: number[] } {
  const width = image.readUInt32BE(16);
  const height = image.readUInt32BE(20);
  const rows = inflateSync(image.subarray(41, 41 + image.readUInt32BE(33)));
  const pixels = [...rows].filter((_, i) => i % (3 * width + 1) !== 0);
  return { width, height, pixels };
}

/** Three images of 2 x 2 pixels, each of one grey. */
const images = Uint8Array.from({ length: 3 * 12 }, (_, i) => 10 * (Math.floor(i / 12) + 1));
const projection = {
  points: Float32Array.of(0.1, -2, 3e-8, 4, 5, 123456.789),
  width: 2,
  labels: ['cat', 'dog', 'cat'],
  images,
  side: 2,
};

it('has a row, a class and a picture for each image', async () => {
  const to = join(folder, 'deep', 'x');
  await writeProjector(to, projection);
  const read = (name: string) => readFile(join(to, name), 'utf8');
  expect((await readdir(to)).sort()).toEqual([
    'metadata.tsv',
    'projector_config.pbtxt',
    'sprite.png',
    'tensors.tsv',
  ]);
  expect(await read('tensors.tsv')).toBe('0.1\t-2\n3e-8\t4\n5\t123456.8\n');
  expect(await read('metadata.tsv')).toBe('label\timage\ncat\t0\ndog\t1\ncat\t2\n');
  const { width, height, pixels } = pixelsOf(await readFile(join(to, 'sprite.png')));
  expect([width, height]).toEqual([4, 4]);
  const red = pixels.filter((_, i) => i % 3 === 0);
  expect(red).toEqual([10, 10, 20, 20, 10, 10, 20, 20, 30, 30, 0, 0, 30, 30, 0, 0]);
});

it('says where it could not be written', async () => {
  await writeFile(join(folder, 'file'), '');
  await expect(writeProjector(join(folder, 'file'), projection)).rejects.toMatchObject({
    code: 'RUN_FOLDER',
    message: expect.stringContaining(join(folder, 'file')),
  });
});

it('makes images that begin and end as PNGs do', () => {
  const image = png(Uint8Array.of(1, 2, 3), 1, 1);
  expect(image.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
  expect(image.subarray(-12).toString('hex')).toBe('0000000049454e44ae426082');
  expect(pixelsOf(image).pixels).toEqual([1, 2, 3]);
});
