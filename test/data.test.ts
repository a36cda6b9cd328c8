/** Importing CIFAR-10, finding it again, and serving it: every way in, and every way in which a source can be wrong. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { create } from 'tar';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { classes, imageBytes } from '../src/shared/data/cifar.js';
import { openDataset, verifyDataset } from '../src/shared/data/dataset.js';
import { type ImportOptions, importDataset } from '../src/shared/data/import.js';
import { cacheFolder, resolveDataset } from '../src/shared/data/resolve.js';
import { LockstepError } from '../src/shared/errors.js';
import { packageRoot } from '../src/shared/package-root.js';
import {
  binaryBatch,
  labelOf,
  pixelValue,
  records,
  sampleArchive,
  wideJpeg,
  writeBinary,
  writeJpegs,
} from './data-fixtures.js';

let root: string;
let source: string;
let cache: string;
let to: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'lockstep-data-'));
  source = path.join(root, 'source');
  cache = path.join(root, 'cache');
  to = path.join(cache, 'made');
  mkdirSync(source);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const run = (from = source, options: Partial<ImportOptions> = {}) =>
  importDataset(from, { to, recordsPerFile: records, ...options });

/** The error's line, once it is certain that the import left nothing behind. */
async function refused(from = source, options: Partial<ImportOptions> = {}): Promise<string> {
  const before = existsSync(cache) ? readdirSync(cache) : [];
  const error = await run(from, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LockstepError);
  expect((error as LockstepError).code).toBe('DATA');
  expect((error as LockstepError).line).not.toContain('\n');
  expect(existsSync(cache) ? readdirSync(cache) : []).toEqual(before);
  return (error as LockstepError).line;
}

const batch = (name: string) => path.join(source, 'cifar-10-batches-bin', name);

/** Writes a .tar, .tar.gz of the source's content. */
async function pack(name: string, gzip: boolean): Promise<string> {
  const file = path.join(root, name);
  await create({ file, cwd: source, gzip, portable: true }, readdirSync(source));
  return file;
}

describe('the official binary layout', () => {
  beforeEach(() => {
    writeBinary(source);
  });

  it.each(['folder', 'official.tar', 'official.tar.gz'])('is imported from %s', async (form) => {
    const dataset = await run(form === 'folder' ? source : await pack(form, form.endsWith('gz')));
    const train = dataset.split('train');
    const test = dataset.split('test');
    expect([train.count, test.count]).toEqual([5 * records, records]);
    for (const [file, record] of [
      [0, 0],
      [0, 11],
      [4, 5],
    ] as const) {
      const id = file * records + record;
      expect(train.labels[id]).toBe(labelOf(file, record));
      const image = train.images.subarray(id * imageBytes, (id + 1) * imageBytes);
      const expected = Uint8Array.from({ length: imageBytes }, (_, i) =>
        pixelValue(file, record, i % 3, Math.floor(i / 3)),
      );
      expect(image).toEqual(expected);
    }
    expect(test.labels[3]).toBe(labelOf(5, 3));
    expect(dataset.manifest).toMatchObject({ name: 'made', classes, source: { kind: 'binary' } });
    await verifyDataset(dataset);
  });

  it('has one digest, however it came', async () => {
    const folder = await run();
    const archive = await run(await pack('a.tar.gz', true), { to: path.join(cache, 'other') });
    expect(archive.digest).toBe(folder.digest);
    const changed = binaryBatch(0);
    changed[100]! ^= 1;
    writeFileSync(batch('data_batch_1.bin'), changed);
    expect((await run()).digest).not.toBe(folder.digest);
  });

  it('names the file and the offset of a cut record', async () => {
    truncateSync(batch('data_batch_3.bin'), 5 * 3073 + 100);
    const line = await refused();
    expect(line).toContain(batch('data_batch_3.bin'));
    expect(line).toContain('5 records of 3073 bytes and 100 bytes of a cut one at offset 15365');
  });

  it('names the file with a wrong number of records', async () => {
    appendFileSync(batch('test_batch.bin'), binaryBatch(0, 1));
    expect(await refused()).toMatch(/test_batch\.bin: 13 records .* there should be 12 \(36876 bytes\)/);
    expect(await refused(source, { recordsPerFile: 10_000 })).toContain('there should be 10000');
  });

  it('names the file, the offset and the label that is out of range', async () => {
    const bytes = binaryBatch(1);
    bytes[4 * 3073] = 10;
    writeFileSync(batch('data_batch_2.bin'), bytes);
    expect(await refused()).toMatch(/data_batch_2\.bin: label 10 at offset 12292 \(record 4\)/);
    expect(await refused(await pack('bad.tar.gz', true))).toMatch(
      /bad\.tar\.gz: cifar-10-batches-bin\/data_batch_2\.bin: label 10 at offset 12292/,
    );
  });

  it('names the file that is missing', async () => {
    unlinkSync(batch('data_batch_4.bin'));
    expect(await refused()).toContain('data_batch_4.bin is missing');
  });

  it('names the archive that is truncated or corrupt, and about where', async () => {
    const archive = await pack('official.tar.gz', true);
    const whole = readFileSync(archive);
    const cut = path.join(root, 'cut.tar.gz');
    writeFileSync(cut, whole.subarray(0, Math.floor(whole.length / 2)));
    expect(await refused(cut)).toMatch(/cut\.tar\.gz is truncated or corrupt near byte \d+ of \d+/);
    const flipped = Buffer.from(whole);
    flipped[Math.floor(whole.length / 2)]! ^= 0xff;
    writeFileSync(cut, flipped);
    expect(await refused(cut)).toContain('cut.tar.gz is truncated or corrupt');
    const plain = await pack('official.tar', false);
    truncateSync(plain, 100_000);
    expect(await refused(plain)).toMatch(
      /official\.tar is truncated or corrupt near byte 100000 of 100000.*: Truncated/,
    );
    writeFileSync(cut, 'no archive at all '.repeat(100));
    expect(await refused(cut)).toContain('cut.tar.gz is truncated or corrupt');
    writeFileSync(cut, '');
    expect(await refused(cut)).toContain('cut.tar.gz');
  });

  it('is told apart from the Python version, from nothing, and from a mixture', async () => {
    const python = path.join(root, 'python');
    mkdirSync(python);
    writeFileSync(path.join(python, 'data_batch_1'), 'pickle');
    expect(await refused(python)).toContain('cifar-10-binary.tar.gz');
    expect(await refused(path.join(root, 'nowhere'))).toContain('nowhere');
    await writeJpegs(source);
    expect(await refused()).toContain('holds binary files and JPEGs');
  });
});

describe('JPEGs', () => {
  beforeEach(async () => {
    await writeJpegs(source);
  });
  const jpeg = (name: string) => path.join(source, name);
  /** Labels for the 30 and 20 images of the fixture, in an order of their own. */
  const labelled = () => {
    const train = `${'9012345678'.repeat(2)}0123456789`;
    writeFileSync(jpeg('train-labels.txt'), train);
    writeFileSync(jpeg('test-labels.txt'), `${'98765\n43210\n'.repeat(2)}\n`);
    return train;
  };

  it('without labels are ordered index by index, class by class', async () => {
    const dataset = await run();
    expect([...dataset.split('train').labels].join('')).toBe('0123456789'.repeat(3));
    expect([...dataset.split('test').labels].join('')).toBe('0123456789'.repeat(2));
  });

  it('with labels take their place in the original order', async () => {
    const byFolder = (await run()).split('train');
    const train = labelled();
    const dataset = await run(source, { to: path.join(cache, 'labelled') });
    const { images, labels } = dataset.split('train');
    expect([...labels].join('')).toBe(train);
    for (let id = 0; id < 30; id++) {
      const label = Number(train[id]);
      const index = [...train.slice(0, id)].filter((digit) => digit === train[id]).length;
      const other = index * 10 + label;
      expect(images.subarray(id * imageBytes, (id + 1) * imageBytes)).toEqual(
        byFolder.images.subarray(other * imageBytes, (other + 1) * imageBytes),
      );
    }
    expect([...dataset.split('test').labels].join('')).toBe('9876543210'.repeat(2));
  });

  it('may have their labels elsewhere, in both files or in none', async () => {
    labelled();
    const archive = await pack('images.tar.gz', true);
    expect((await run(archive)).split('train').labels[0]).toBe(0);
    expect((await run(archive, { labels: source })).split('train').labels[0]).toBe(9);
    unlinkSync(jpeg('test-labels.txt'));
    expect(await refused()).toContain('test-labels.txt is missing');
    expect(await refused(archive, { labels: root })).toContain('has no train-labels.txt');
  });

  it('must agree with their labels', async () => {
    labelled();
    writeFileSync(jpeg('train-labels.txt'), `${'0123456789'.repeat(2)}0123456788`);
    expect(await refused()).toMatch(/train-labels\.txt lists 4 images of class 8 \(ship\), .* has 3/);
    writeFileSync(jpeg('train-labels.txt'), '0123x');
    expect(await refused()).toMatch(/train-labels\.txt: byte 4 is "x"/);
  });

  it.each([
    ['a missing class folder', () => rmSync(jpeg('train/cat'), { recursive: true }), /train\/cat is missing/],
    ['a missing split', () => rmSync(jpeg('test'), { recursive: true }), /test\/airplane is missing/],
    [
      'a hole in the numbers',
      () => unlinkSync(jpeg('train/dog/0001.jpg')),
      /image 1 of train\/dog is missing/,
    ],
    [
      'another size',
      () => writeFileSync(jpeg('test/dog/0001.jpg'), wideJpeg),
      /test\/dog\/0001\.jpg: .* 16x8 /,
    ],
    [
      'a truncated JPEG',
      () => truncateSync(jpeg('train/frog/0001.jpg'), 780),
      /train\/frog\/0001\.jpg: .*[Pp]remature/,
    ],
    [
      'an empty JPEG',
      () => truncateSync(jpeg('train/frog/0001.jpg'), 0),
      /train\/frog\/0001\.jpg: .*[Ee]mpty/,
    ],
    [
      'no JPEG',
      () => writeFileSync(jpeg('train/ship/0000.jpg'), 'hello'),
      /train\/ship\/0000\.jpg: not a whole/,
    ],
    [
      'an unknown class',
      () => {
        mkdirSync(jpeg('train/boat'));
        writeFileSync(jpeg('train/boat/0000.jpg'), wideJpeg);
      },
      /"boat" is no CIFAR-10 class/,
    ],
    ['a stray image', () => writeFileSync(jpeg('cover.jpg'), wideJpeg), /cover\.jpg: images must lie at/],
    [
      'an image twice',
      () => writeFileSync(jpeg('train/dog/1.jpg'), readFileSync(jpeg('train/dog/0001.jpg'))),
      /a second image 1 of train\/dog/,
    ],
  ])('are refused for %s', async (_, spoil, message) => {
    spoil();
    expect(await refused()).toMatch(message);
  });

  it('are refused for damage that libjpeg only warns about, and the next import works', async () => {
    const file = jpeg('train/frog/0001.jpg');
    const sound = readFileSync(file);
    const damaged = Buffer.from(sound);
    // An end of image in the middle of it.
    damaged.set([0xff, 0xd9], sound.length - 80);
    writeFileSync(file, damaged);
    expect(await refused()).toMatch(/train\/frog\/0001\.jpg: not a whole, sound JPEG/);
    writeFileSync(file, sound);
    expect((await run()).split('train').count).toBe(30);
  });

  it('in an .xz archive that is cut or damaged are refused with the place', async () => {
    const whole = readFileSync(sampleArchive);
    const bad = path.join(root, 'bad.tar.xz');
    writeFileSync(bad, whole.subarray(0, 1_000_000));
    expect(await refused(bad)).toMatch(
      /bad\.tar\.xz is truncated or corrupt near byte 1000000 of 1000000, after entry train\/\w+\/\d+\.jpg: the file ends too early/,
    );
    const damaged = Buffer.from(whole);
    damaged[600_000]! ^= 4;
    writeFileSync(bad, damaged);
    // The damage may show as an impossible JPEG before the archive's own check is reached.
    expect(await refused(bad)).toMatch(/bad\.tar\.xz( is truncated or corrupt|: test\/)/);
  });
});

describe('a packed folder', () => {
  beforeEach(async () => {
    await run(writeBinary(source));
  });

  it('survives an import that fails, and is replaced by one that does not', async () => {
    const { digest } = openDataset(to);
    truncateSync(batch('data_batch_5.bin'), 17);
    await refused();
    expect(openDataset(to).digest).toBe(digest);
    writeFileSync(batch('data_batch_5.bin'), binaryBatch(9));
    expect((await run()).digest).not.toBe(digest);
    expect(readdirSync(cache)).toEqual(['made']);
  });

  it('is put in place beside what others are making, and what an earlier import left is removed', async () => {
    const [ours, ofOthers, recent] = ['.partial-made-1', '.partial-other-1', '.partial-made-2'];
    const dayAgo = Date.now() / 1000 - 25 * 3600;
    for (const name of [ours, ofOthers, recent]) mkdirSync(path.join(cache, name));
    for (const name of [ours, ofOthers]) utimesSync(path.join(cache, name), dayAgo, dayAgo);
    await run();
    expect(readdirSync(cache).sort()).toEqual([recent, ofOthers, 'made']);
  });

  it('is replaced whole by each of several imports at once', async () => {
    const { digest } = openDataset(to);
    // One may look for it in the moment in which another puts its own there.
    await Promise.allSettled([run(), run(), run()]);
    expect(openDataset(to).digest).toBe(digest);
    expect(readdirSync(cache)).toEqual(['made']);
  });

  it('never takes the place of something else', async () => {
    const mine = path.join(root, 'mine');
    mkdirSync(mine);
    writeFileSync(path.join(mine, 'thesis.txt'), 'years of work');
    expect(await refused(source, { to: mine })).toContain('is left alone');
    expect(readdirSync(mine)).toEqual(['thesis.txt']);
  });

  it.each(['train.images.bin', 'test.labels.bin'])(
    'with %s truncated, too long or missing is not opened',
    (name) => {
      const file = path.join(to, name);
      const size = readFileSync(file).length;
      truncateSync(file, size - 1);
      expect(() => openDataset(to)).toThrow(`${file} is truncated at byte ${size - 1}`);
      truncateSync(file, size + 1);
      expect(() => openDataset(to)).toThrow(`${file} is too long`);
      unlinkSync(file);
      expect(() => openDataset(to)).toThrow(`${file} is missing`);
    },
  );

  it('with a label out of range is not served', () => {
    const file = path.join(to, 'train.labels.bin');
    const labels = readFileSync(file);
    labels[7] = 200;
    writeFileSync(file, labels);
    expect(() => openDataset(to).split('train')).toThrow(
      `${file}: label 200 at byte 7 is out of range 0 to 9`,
    );
  });

  it('with one bit changed fails verification', async () => {
    const file = path.join(to, 'test.images.bin');
    const images = readFileSync(file);
    images[5000]! ^= 1;
    writeFileSync(file, images);
    await expect(verifyDataset(openDataset(to))).rejects.toThrow(`${file} is not what was imported`);
  });

  it('needs its manifest', () => {
    const file = path.join(to, 'manifest.json');
    writeFileSync(file, '{"format":"something else"}');
    expect(() => openDataset(to)).toThrow(`${file} is not a dataset manifest`);
    unlinkSync(file);
    expect(() => openDataset(to)).toThrow(`${to} is not a packed dataset`);
  });

  it('is found by its name in the cache and by its path', async () => {
    const { digest } = openDataset(to);
    expect((await resolveDataset('made', { cache })).digest).toBe(digest);
    expect((await resolveDataset(to, { cache: root })).digest).toBe(digest);
    await expect(resolveDataset('cifar10', { cache })).rejects.toThrow('has not been imported');
    await expect(resolveDataset(source, { cache })).rejects.toThrow('There is no dataset');
  });
});

describe('the embedded sample', () => {
  it('is decoded once, as libjpeg decodes it, even when two ask at once', async () => {
    let decoded = 0;
    const onProgress = () => {
      decoded++;
    };
    const [one, two] = await Promise.all([
      resolveDataset('sample', { cache, onProgress }),
      resolveDataset('sample', { cache, onProgress }),
    ]);
    expect(decoded).toBeGreaterThan(0);
    expect(one.digest).toBe(two.digest);
    // sha256 of the same 10,000 images, decoded by Pillow 13.0 with libjpeg-turbo 3.2.
    const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    expect(sha256(one.split('train').images)).toBe(
      '96bb3d4ec9a98a03b3323567387b867ba25bab5479977b85809568b29454e353',
    );
    expect(sha256(two.split('test').images)).toBe(
      'b1ba480b04129e48be47b3bd8f9bc34938618c30633d3dd3285f32f3655a5eb9',
    );
    expect([one.split('train').count, one.split('test').count]).toEqual([8000, 2000]);
    expect(readdirSync(cache)).toEqual([path.basename(one.folder)]);
    decoded = 0;
    await resolveDataset('sample', { cache, onProgress });
    expect(decoded).toBe(0);
    truncateSync(path.join(one.folder, 'train.images.bin'), 10);
    expect((await resolveDataset('sample', { cache, onProgress })).digest).toBe(one.digest);
  });
});

describe('the cache folder', () => {
  it('is LOCKSTEP_CACHE, else XDG_CACHE_HOME/lockstep, else ~/.cache/lockstep', () => {
    expect(cacheFolder({ LOCKSTEP_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
    expect(cacheFolder({ LOCKSTEP_CACHE: '', XDG_CACHE_HOME: '/b' })).toBe('/b/lockstep');
    expect(cacheFolder({ XDG_CACHE_HOME: '' })).toMatch(/^\/.*\/\.cache\/lockstep$/);
  });
});

const commandLine = path.join(packageRoot, 'dist', 'cli', 'main.js');

describe.skipIf(!existsSync(commandLine))('lockstep data (built)', () => {
  const lockstep = (...args: string[]) =>
    promisify(execFile)(process.execPath, [commandLine, 'data', ...args], {
      env: { ...process.env, LOCKSTEP_CACHE: cache },
      timeout: 60_000,
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );

  it('imports, and then knows it', async () => {
    await writeJpegs(source);
    const imported = await lockstep('import', source, '--json');
    expect(imported).toMatchObject({ code: 0 });
    const info = await lockstep('info', '--json');
    expect(JSON.parse(info.stdout)).toEqual(JSON.parse(imported.stdout));
    expect(JSON.parse(info.stdout)).toMatchObject({
      name: 'cifar10',
      folder: path.join(cache, 'cifar10'),
      counts: { train: 30, test: 20 },
    });
    writeFileSync(path.join(cache, 'cifar10', 'test.labels.bin'), Buffer.alloc(20));
    const damaged = await lockstep('info');
    expect(damaged.code).toBe(1);
    expect(damaged.stderr.trim().split('\n')).toHaveLength(1);
    expect(damaged.stderr).toContain('test.labels.bin is not what was imported');
  });

  it('says in one line what is wrong', async () => {
    const nothing = await lockstep('import');
    expect(nothing).toMatchObject({ code: 2 });
    expect(nothing.stderr).toContain('Give a SOURCE');
    const absent = await lockstep('info');
    expect(absent).toMatchObject({ code: 1 });
    expect(absent.stderr).toMatch(/^lockstep: error: .*lockstep data import cifar-10-binary\.tar\.gz.*\n$/);
  });

  it('unpacks the sample in two processes at once without a collision', async () => {
    const both = await Promise.all([
      lockstep('info', 'sample', '--json'),
      lockstep('info', 'sample', '--json'),
    ]);
    for (const one of both) expect(one).toMatchObject({ code: 0 });
    expect(JSON.parse(both[0].stdout)).toEqual(JSON.parse(both[1].stdout));
    expect(readdirSync(cache)).toHaveLength(1);
  });
});

/** All of CIFAR-10, where the workplace has it beside the repository. */
const archive = path.join(packageRoot, '..', 'shared', 'cifar10', 'cifar10-jpeg.tar.xz');

describe.skipIf(!existsSync(archive))('the whole JPEG archive', () => {
  it('takes the original order, and well under two minutes', async () => {
    const began = performance.now();
    const dataset = await run(archive);
    expect(performance.now() - began).toBeLessThan(90_000);
    const train = dataset.split('train');
    const test = dataset.split('test');
    expect([train.count, test.count]).toEqual([50_000, 10_000]);
    // First pixels of the originals, as published everywhere; a JPEG of 30 dB is near them.
    const originals = [
      [train.images, 0, [59, 62, 63]],
      [train.images, 1, [154, 177, 187]],
      [test.images, 0, [158, 112, 49]],
      [test.images, 1, [235, 235, 235]],
    ] as const;
    for (const [images, id, rgb] of originals) {
      for (const [channel, value] of rgb.entries()) {
        expect(Math.abs(images[id * imageBytes + channel]! - value)).toBeLessThan(25);
      }
    }
    expect([...train.labels.subarray(0, 10)]).toEqual([6, 9, 9, 4, 1, 1, 2, 7, 8, 3]);
    expect([...test.labels.subarray(0, 10)]).toEqual([3, 8, 8, 0, 6, 6, 1, 6, 3, 1]);
  });
});
