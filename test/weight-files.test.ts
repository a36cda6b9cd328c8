/** Files of weights as PyTorch and Keras write them, as users rename and damage them, and what is said of each. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadHdf5 } from '../src/coordinator/weights/hdf5.js';
import { matchTensors } from '../src/coordinator/weights/match.js';
import { openWeights } from '../src/coordinator/weights/open.js';
import { checkSuitable } from '../src/coordinator/weights/suitable.js';
import type { WeightFile } from '../src/coordinator/weights/weight-file.js';
import type { Dtype } from '../src/shared/checkpoint/safetensors.js';
import { TensorFileWriter } from '../src/shared/checkpoint/tensor-file.js';
import { parseConfig } from '../src/shared/config/parse.js';
import type { Config } from '../src/shared/config/schema.js';
import { LockstepError } from '../src/shared/errors.js';
import { kerasValues } from './formula-weights.js';

const saved = (name: string) => new URL(`fixtures/keras/${name}`, import.meta.url).pathname;

let folder: string;
const opened: WeightFile[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-weights-'));
});
afterEach(async () => {
  for (const file of opened.splice(0)) await file.close();
  await rm(folder, { recursive: true, force: true });
});

async function openFile(path: string): Promise<WeightFile> {
  const file = await openWeights(path);
  opened.push(file);
  return file;
}

/** The one line that a user sees. */
async function complaintOf(path: string): Promise<string> {
  return lineOf(await openFile(path).catch((caught: unknown) => caught));
}
function lineOf(error: unknown): string {
  if (!(error instanceof LockstepError)) throw error ?? new Error('it was accepted');
  expect(['WEIGHTS', 'CHECKPOINT']).toContain(error.code);
  expect(error.line).not.toContain('\n');
  return error.line;
}

type Tensors = Readonly<Record<string, readonly number[] | { shape: readonly number[]; dtype: Dtype }>>;

/** A safetensors file with zeros of these shapes, or of other types. */
async function zeros(tensors: Tensors, metadata?: Readonly<Record<string, string>>): Promise<string> {
  const path = join(folder, `${Object.keys(tensors).length}.safetensors`);
  const specs = Object.entries(tensors).map(([name, tensor]) =>
    'shape' in tensor ? { name, ...tensor } : { name, shape: tensor, dtype: 'F32' as const },
  );
  specs.sort((a, b) => (a.dtype === 'I64' ? -1 : b.dtype === 'I64' ? 1 : 0));
  const bytes = { F32: 4, I64: 8, F16: 2, BF16: 2, F64: 8, I8: 1 };
  const writer = await TensorFileWriter.create(path, specs, metadata);
  for (const { name, shape, dtype } of specs) {
    const size = shape.reduce((a, b) => a * b, bytes[dtype as keyof typeof bytes]);
    await writer.append(name, new Uint8Array(size));
  }
  await writer.finish();
  return path;
}

/** What torchvision calls the tensors of the encoder `tiny`, with PyTorch's shapes. */
const tinyShapes: Readonly<Record<string, readonly number[]>> = Object.fromEntries(
  [3, 16, 32].flatMap((inputs, i): [string, number[]][] => {
    const outputs = [16, 32, 32][i]!;
    const norm = ['weight', 'bias', 'running_mean', 'running_var'].map((part): [string, number[]] => [
      `bn${i + 1}.${part}`,
      [outputs],
    ]);
    return [[`conv${i + 1}.weight`, [outputs, inputs, 3, 3]], ...norm];
  }),
);
const tinyTensors = [3, 16, 32].flatMap((inputs, i) => {
  const outputs = [16, 32, 32][i]!;
  const norm = ['gamma', 'beta', 'mean', 'variance'].map((part) => ({
    name: `encoder.bn${i + 1}.${part}`,
    shape: [outputs],
  }));
  return [{ name: `encoder.conv${i + 1}.kernel`, shape: [3, 3, inputs, outputs] }, ...norm];
});

function configOf(model: Readonly<Record<string, unknown>>): Config {
  const [optimizer, learningRate] = [{ kind: 'adam' }, { decay: 'constant', peak: 1 }];
  const stage = { name: 'a', objective: 'softmax', epochs: 1, optimizer, learningRate };
  const batch = { microBatches: 1, microBatchSize: 8 };
  const all = { classifier: {}, ...model };
  return parseConfig({ name: 't', data: { dataset: 'sample' }, model: all, batch, stages: [stage] }, 'test');
}

describe('what Keras has saved', () => {
  it.each([
    ['legacy.h5', undefined],
    ['numbered.weights.h5', undefined],
    ['whole.keras', 1.001e-5],
    ['nested.keras', 1.001e-5],
    ['nested.h5', 1.001e-5],
    ['nameless-nested.keras', 1.001e-5],
  ])('%s: every tensor by layer and variable, with its values', async (name, epsilon) => {
    const file = await openFile(saved(name));
    const names = [...file.tensors.keys()].filter((key) => !key.startsWith('head/')).sort();
    expect(names).toEqual(
      [
        ...['conv1_conv', 'conv2_block1_1_conv', 'predictions'].flatMap((layer) => [
          `${layer}/bias`,
          `${layer}/kernel`,
        ]),
        ...['conv1_bn', 'conv2_block1_1_bn'].flatMap((layer) =>
          ['beta', 'gamma', 'moving_mean', 'moving_variance'].map((part) => `${layer}/${part}`),
        ),
      ].sort(),
    );
    for (const key of names) {
      const { shape, read } = file.tensors.get(key)!;
      expect(await read(), key).toEqual(kerasValues(key, shape));
    }
    expect(file.epsilon).toBe(epsilon);
    expect(file.tensors.size).toBe(names.length + (name.includes('nested') ? 2 : 0));
  });

  it('the colon of Keras 2 is no part of a name, and a layer that comes twice is an error', async () => {
    const { File } = await loadHdf5();
    const path = join(folder, 'two.h5');
    const file = new File(path, 'w');
    const add = (group: string) =>
      file
        .create_group(group)
        .create_group('conv1_conv')
        .create_dataset({ name: 'kernel:0', data: new Float32Array(6), shape: [1, 1, 2, 3] });
    add('one');
    file.flush();
    expect([...(await openFile(path)).tensors.keys()]).toEqual(['conv1_conv/kernel']);
    add('other');
    file.close();
    expect(await complaintOf(path)).toContain('holds conv1_conv/kernel twice');
  });

  it('layers without names are an error that says what to do', async () => {
    expect(await complaintOf(saved('nameless.weights.h5'))).toMatch(
      /does not say the names of its layers \(\/layers\/.*save the whole model, as \.keras or \.h5/,
    );
  });
});

describe('names of torchvision', () => {
  it('counters are passed over, and heads are left out', async () => {
    const counter = { shape: [], dtype: 'I64' } as const;
    const path = await zeros({ ...tinyShapes, 'bn1.num_batches_tracked': counter, 'fc.weight': [10, 32] });
    const { tensors, leftOut } = matchTensors(tinyTensors, await openFile(path));
    expect(tensors.map(({ name }) => name)).toEqual(tinyTensors.map(({ name }) => name));
    expect(leftOut).toEqual(['fc.weight']);
  });

  it('a prefix that a network has inside of another one is no part of them', async () => {
    const inner = {
      'conv1.weight': [64, 3, 7, 7],
      'bn1.running_mean': [64],
      'layer1.0.bn1.running_mean': [64],
    };
    const within = Object.entries(inner).map(([name, shape]): [string, number[]] => [
      `module.net.${name}`,
      shape,
    ]);
    const file = await openFile(await zeros({ ...Object.fromEntries(within), 'head.weight': [128, 512] }));
    expect([...file.tensors.keys()].sort()).toEqual([...Object.keys(inner), 'head.weight'].sort());
  });

  it('half precision is widened, exactly', async () => {
    const path = join(folder, 'half.safetensors');
    const specs = [
      { name: 'wide', shape: [2], dtype: 'F64' as const },
      { name: 'half', shape: [6], dtype: 'F16' as const },
      { name: 'brain', shape: [2], dtype: 'BF16' as const },
    ];
    const writer = await TensorFileWriter.create(path, specs);
    await writer.append('wide', new Uint8Array(Float64Array.of(0.1, -2).buffer));
    // 1, −2, 65504, the smallest subnormal, 1/3 rounded, −0 (IEEE 754-2008, binary16).
    const bits = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x3555, 0x8000);
    await writer.append('half', new Uint8Array(bits.buffer));
    await writer.append('brain', new Uint8Array(Uint16Array.of(0x3f80, 0xc049).buffer));
    await writer.finish();
    const { tensors } = await openFile(path);
    expect([...(await tensors.get('wide')!.read())]).toEqual([Math.fround(0.1), -2]);
    expect([...(await tensors.get('half')!.read())]).toEqual([1, -2, 65504, 2 ** -24, 0.333251953125, -0]);
    expect([...(await tensors.get('brain')!.read())]).toEqual([1, -3.140625]);
  });

  it('numbers that are no weights are refused', async () => {
    const file = await openFile(await zeros({ ...tinyShapes, 'fc.weight': { shape: [4], dtype: 'I8' } }));
    const error = await file.tensors
      .get('fc.weight')!
      .read()
      .catch((caught: unknown) => caught);
    expect(lineOf(error)).toContain('fc.weight has the type I8');
  });

  it('all that is missing, misshapen or without a place is named in one line', async () => {
    const { 'conv2.weight': _, 'bn3.bias': __, ...rest } = tinyShapes;
    const file = await openFile(
      await zeros({
        ...rest,
        'conv1.weight': [16, 3, 5, 5],
        'conv4.weight': [1],
        'layer9.0.se.fc': [1],
        fc: [1],
      }),
    );
    const error = await Promise.resolve()
      .then(() => matchTensors(tinyTensors, file))
      .catch((caught: unknown) => caught);
    expect(lineOf(error)).toContain(
      'does not fit the model: missing: conv2.weight, bn3.bias; misshapen: conv1.weight [5,5,3,16] where the model has [3,3,3,16]; not in the model: conv4.weight, layer9.0.se.fc.',
    );
  });
});

describe('a file of another network', () => {
  const resnet = (blocks: readonly number[], bottleneck: boolean, stem = 7): Tensors => ({
    'conv1.weight': [64, 3, stem, stem],
    ...(bottleneck ? { 'layer1.0.conv3.weight': [1] } : {}),
    ...Object.fromEntries(
      blocks.flatMap((count, stage) =>
        Array.from({ length: count }, (_, i) => [`layer${stage + 1}.${i}.conv1.weight`, [1]]),
      ),
    ),
  });
  const suits = async (path: string, model: Readonly<Record<string, unknown>>) =>
    checkSuitable(await openFile(path), configOf(model));
  const complaint = async (path: string, model: Readonly<Record<string, unknown>>) =>
    lineOf(await suits(path, model).catch((caught: unknown) => caught));

  it('is named with what to set', async () => {
    const path = await zeros(resnet([3, 4, 6, 3], true));
    expect(await complaint(path, { encoder: 'resnet18', stem: 'imagenet' })).toContain(
      'holds a ResNet of bottleneck blocks 3-4-6-3 (torchvision), model.encoder is resnet18. Set model.encoder to resnet50.',
    );
    expect(await complaint(path, { encoder: 'resnet50', stem: 'cifar' })).toContain(
      'has a 7x7 stem, model.stem is cifar. Set model.stem to imagenet.',
    );
    expect(await complaint(await zeros(resnet([3, 4, 23, 3], true)), { encoder: 'resnet50' })).toContain(
      'holds a ResNet of bottleneck blocks 3-4-23-3 (torchvision), model.encoder is resnet50. docs/transfer.md',
    );
    expect(await complaint(saved('legacy.h5'), { encoder: 'resnet50' })).toContain(
      'holds a Keras ResNet of blocks 1 (Keras), model.encoder is resnet50.',
    );
    expect(await complaint(await zeros({ 'patch_embed.weight': [1] }), { encoder: 'resnet50' })).toContain(
      'holds no encoder that is known (it begins with patch_embed.weight)',
    );
  });

  it('another epsilon is an error where the file says it, and worth a word where it is a custom', async () => {
    const model = { encoder: 'resnet50', stem: 'imagenet', normalization: 'imagenet' };
    const silent = await zeros(resnet([3, 4, 6, 3], true));
    const exact = { ...model, batchNorm: { epsilon: 1e-5 } };
    expect(await suits(silent, exact)).toEqual([]);
    expect(await suits(silent, model)).toEqual([
      'BatchNorm of torchvision has the epsilon 0.00001, model.batchNorm.epsilon is 0.00001001',
    ]);
    expect(await suits(silent, { ...exact, normalization: 'cifar10' })).toEqual([
      'weights of torchvision that were trained on ImageNet expect model.normalization: imagenet',
    ]);
    await rm(silent);
    const says = await zeros(resnet([3, 4, 6, 3], true), { batchNormEpsilon: '0.001' });
    expect(await complaint(says, model)).toContain(
      'has the epsilon 0.001 in its BatchNorm, model.batchNorm.epsilon is 0.00001001. Set it to 0.001.',
    );
  });

  it('weights of small images are taken with their own statistics', async () => {
    const path = await zeros(resnet([2, 2, 2, 2], false, 3));
    expect(await suits(path, { encoder: 'resnet18', batchNorm: { epsilon: 1e-5 } })).toEqual([]);
  });
});

describe('a file that is damaged or no file of weights', () => {
  const wrong: Readonly<Record<string, readonly [make: () => Promise<Uint8Array>, expected: RegExp]>> = {
    'no bytes': [async () => Buffer.alloc(0), /damaged at byte 0: the file ends before the length/],
    text: [async () => Buffer.from('<!DOCTYPE html><html>'), /damaged at byte 0: a header of \d+ bytes/],
    'a header too long': [
      async () => Buffer.concat([Buffer.from([255, 255, 255, 127, 0, 0, 0, 0]), Buffer.alloc(64)]),
      /a header of 2147483647 bytes doesn't fit/,
    ],
    'an h5 cut off': [
      async () => (await readFile(saved('legacy.h5'))).subarray(0, 9000),
      /is damaged, or no HDF5 file: truncated file: eof = 9000/,
    ],
    'an h5 with a broken table': [
      async () => {
        const bytes = await readFile(saved('legacy.h5'));
        return bytes.fill(0xaa, bytes.indexOf('TREE'), bytes.indexOf('TREE') + 16);
      },
      /is damaged, or no HDF5 file: /,
    ],
    'a .keras cut off': [
      async () => (await readFile(saved('whole.keras'))).subarray(0, 20_000),
      /is no whole zip archive: /,
    ],
    'a pickle': [
      async () => Buffer.from('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.', 'latin1'),
      /is a Python pickle, which could run code.*docs\/transfer\.md/,
    ],
  };
  it.each(Object.entries(wrong))('%s', async (_, [make, expected]) => {
    const path = join(folder, 'weights');
    await writeFile(path, await make());
    const line = await complaintOf(path);
    expect(line).toMatch(expected);
    expect(line).toContain(path);
  });

  it('an archive of torch.save is no .keras file', async () => {
    const path = new URL('fixtures/torch.pth', import.meta.url).pathname;
    expect(await complaintOf(path)).toMatch(/without model\.weights\.h5.*torch\.save/);
  });

  it('a file or folder that is not there, and a folder that is no run', async () => {
    expect(await complaintOf(join(folder, 'none.h5'))).toContain('none.h5: there is no such file.');
    expect(await complaintOf(folder)).toContain('is no checkpoint: it has no manifest.json');
  });
});
