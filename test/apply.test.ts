/** A whole update as it ships, clipping, decay, optimiser and running statistics together, against float64. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../src/shared/config/parse.js';
import { HostTensor } from '../src/shared/engine/host-tensor.js';
import { Session } from '../src/shared/engine/session.js';
import { initialize } from '../src/shared/model/initialize.js';
import { buildModel } from '../src/shared/model/model.js';
import { fingerprint } from '../src/worker/functions/fingerprint.js';
import { Replica } from '../src/worker/replica.js';
import { StageProgram } from '../src/worker/stage-program.js';
import { stageShape } from '../src/worker/stage-shape.js';
import { applyStep } from '../src/worker/update.js';
import { draws } from './numeric.js';

const clipNorm = 2;
const weightDecay = 0.1;
const rate = 0.05;
/** Of the classifier's kernel. */
const factor = 3;

let session: Session;
beforeEach(() => {
  session = new Session({ precision: 'float32', device: 'cpu' });
});
afterEach(() => session.close());

async function compiled(stage: object, more: object = {}) {
  const config = parseConfig(
    {
      name: 'apply',
      data: { dataset: 'sample' },
      model: { encoder: 'tiny', classifier: {}, batchNorm: { momentum: 0.8 } },
      batch: { microBatches: 4, microBatchSize: 2 },
      stages: [
        {
          name: 'train',
          objective: 'softmax',
          epochs: 1,
          clipNorm,
          optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay },
          learningRate: { decay: 'constant', peak: rate },
          learningRates: [{ match: 'classifier.*.kernel', factor }],
          ...stage,
        },
      ],
      ...more,
    },
    'test',
  );
  const model = buildModel(config.model);
  const replica = new Replica(session, model);
  await replica.initialize(config.seed);
  const program = await StageProgram.compile(replica, stageShape(config, model, 0), 4096);
  return { config, model, replica, program };
}

type Compiled = Awaited<ReturnType<typeof compiled>>;

/** Buckets of reduced gradients and statistics that are drawn, times a factor; `change` may change them. */
function reducedBuckets(
  { program }: Compiled,
  times: number,
  change?: (name: string, values: Float64Array) => void,
) {
  const values = new Map<string, Float64Array>();
  let squares = 0;
  const tensors = program.buckets.map(({ index, size, entries }) => {
    const tensor = HostTensor.allocate('float32', [size]);
    for (const { name, offset, size } of entries) {
      const isGradient = program.shape.trained.some((spec) => spec.name === name);
      const drawn = draws(size, `${name} ${index}`).map((value) => value * (isGradient ? times : 1));
      change?.(name, drawn);
      values.set(name, drawn);
      tensor.floats.set(drawn, offset);
      if (isGradient) for (const g of tensor.floats.subarray(offset, offset + size)) squares += g * g;
    }
    return tensor;
  });
  return { values, tensors, outcome: { reduced: tensors, scaledNorm: Math.sqrt(squares) } };
}

/** All tensors by name. */
async function tensorsOf({ replica }: Compiled): Promise<Map<string, Float32Array>> {
  const values = await replica.read();
  return new Map(
    replica.tensors.map(({ variable }, i) => {
      const copy = values[i]!.floats.slice();
      values[i]!.free();
      return [variable.name, copy];
    }),
  );
}

/** What weights and statistics come to in the first step, from gradients as they would be without a loss scale. */
function expectedAfter({ model, config }: Compiled, reduced: ReadonlyMap<string, Float64Array>) {
  const squares = model.parameters.flatMap(({ name }) => [...reduced.get(name)!].map((g) => g * g));
  const norm = Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
  expect(norm).toBeGreaterThan(clipNorm);
  const after = new Map<string, { before: number; after: number }[]>();
  for (const spec of model.parameters) {
    const before = initialize(spec, config.seed);
    const own = rate * (spec.name === 'classifier.0.kernel' ? factor : 1);
    after.set(
      spec.name,
      Array.from(reduced.get(spec.name)!, (given, j) => {
        const gradient = (given * clipNorm) / norm + (spec.decay ? weightDecay * before[j]! : 0);
        // The first step of Nesterov momentum: v = g, so w − η(g + μg).
        return { before: before[j]!, after: before[j]! - own * 1.9 * gradient };
      }),
    );
  }
  for (const { name, init } of model.statistics) {
    after.set(
      name,
      Array.from(reduced.get(name)!, (given) => ({ before: init, after: 0.8 * init + (0.2 * given) / 4 })),
    );
  }
  return { norm, after };
}

function expectTensors(
  found: ReadonlyMap<string, Float32Array>,
  expected: ReadonlyMap<string, { before: number; after: number }[]>,
  nameOf: (name: string) => string,
  value: (one: { before: number; after: number }) => number,
): void {
  for (const [name, values] of expected) {
    const tensor = found.get(nameOf(name))!;
    for (const [j, one] of values.entries()) {
      expect(Math.abs(tensor[j]! - value(one)), `${name}[${j}]`).toBeLessThan(2e-6);
    }
  }
}

/** Bit for bit. */
const same = (one: Float32Array, other: Float32Array) =>
  Buffer.from(one.buffer).equals(Buffer.from(other.buffer));

it('clips by the global norm, decays kernels only, gives the classifier its rate, and moves statistics by their mean', async () => {
  const made = await compiled({});
  const { values, tensors, outcome } = reducedBuckets(made, 1);
  const { norm, after } = expectedAfter(made, values);
  const applied = await applyStep(made.program, outcome, { learningRate: rate, stepInStage: 0 });
  expect(applied.gradNorm).toBeCloseTo(norm, 2);
  expect(applied.lossScale).toBeNull();
  expectTensors(
    await tensorsOf(made),
    after,
    (name) => name,
    (one) => one.after,
  );
  for (const tensor of tensors) tensor.free();
});

describe('averages', () => {
  it('follow what is trained, statistics too, and are what is evaluated and saved as weights', async () => {
    const made = await compiled({ ema: { decay: 0.999 } });
    const { replica, program } = made;
    const { values, tensors, outcome } = reducedBuckets(made, 1);
    const { after } = expectedAfter(made, values);
    const before = await fingerprint(program.fingerprint);
    await applyStep(program, outcome, { learningRate: rate, stepInStage: 0 });
    const found = await tensorsOf(made);
    expectTensors(
      found,
      after,
      (name) => `raw/${name}`,
      (one) => one.after,
    );
    // The first update keeps 2/11 of the average, whatever the config says.
    const averaged = (one: { before: number; after: number }) => (2 * one.before + 9 * one.after) / 11;
    expectTensors(found, after, (name) => name, averaged);
    const files = new Map(replica.tensors.map(({ file, variable }) => [variable.name, file]));
    expect(files.get('encoder.bn1.mean')).toBe('weights');
    expect(files.get('raw/encoder.bn1.mean')).toBe('optimizer');
    expect(files.get('raw/classifier.0.kernel')).toBe('optimizer');

    // A second one keeps 3/12 of it, and sees what the first has left.
    await applyStep(program, outcome, { learningRate: rate, stepInStage: 1 });
    const second = await tensorsOf(made);
    for (const [name] of after) {
      const [raw, old, now] = [second.get(`raw/${name}`)!, found.get(name)!, second.get(name)!];
      for (const [j, value] of now.entries()) {
        expect(Math.abs(value - (0.25 * old[j]! + 0.75 * raw[j]!)), `${name}[${j}]`).toBeLessThan(2e-6);
      }
    }
    for (const tensor of tensors) tensor.free();
    // The fingerprint sees both.
    const prints = [before, await fingerprint(program.fingerprint)];
    for (const name of ['encoder.conv1.kernel', 'raw/encoder.conv1.kernel']) {
      await replica.perturb(name);
      prints.push(await fingerprint(program.fingerprint));
    }
    expect(new Set(prints).size).toBe(4);
  });

  it('start with the weights that a checkpoint brings without their raw twins', async () => {
    const made = await compiled({ ema: { decay: 0.999 } });
    const brought = new Float32Array(32).fill(7);
    await made.replica.load(new Map([['encoder.bn3.gamma', brought]]));
    const found = await tensorsOf(made);
    expect(found.get('raw/encoder.bn3.gamma')).toEqual(brought);
    const both = new Map([
      ['encoder.bn3.gamma', brought],
      ['raw/encoder.bn3.gamma', new Float32Array(32).fill(5)],
    ]);
    await made.replica.load(both);
    const again = await tensorsOf(made);
    expect(again.get('raw/encoder.bn3.gamma')![0]).toBe(5);
    expect(again.get('encoder.bn3.gamma')![0]).toBe(7);
  });

  it('are what the next stage starts from', async () => {
    const made = await compiled({ ema: { decay: 0.999 } });
    const { replica, program, model, config } = made;
    const { tensors, outcome } = reducedBuckets(made, 1);
    await applyStep(program, outcome, { learningRate: rate, stepInStage: 0 });
    for (const tensor of tensors) tensor.free();
    const name = 'encoder.conv1.kernel';
    const average = (await tensorsOf(made)).get(name)!;
    expect(replica.trained(name).name).toBe(`raw/${name}`);
    const [stage] = config.stages;
    const plain = { ...config, stages: [{ ...stage!, ema: undefined }] } as typeof config;
    await StageProgram.compile(replica, stageShape(plain, model, 0), 4096);
    expect(replica.trained(name).name).toBe(name);
    const found = await tensorsOf(made);
    expect(found.get(name)).toEqual(average);
    expect([...found.keys()].some((key) => key.startsWith('raw/'))).toBe(false);
  });
});

describe('a loss scale', () => {
  const scaled = { lossScale: { kind: 'dynamic', initial: 1024, growthInterval: 2 } };

  it.each([
    ['fixed', { lossScale: { kind: 'fixed', value: 1024 } }, null],
    ['dynamic', scaled, 1024],
  ])(
    'that is %s is taken out of gradients before they are clipped: the same bits as without one',
    async (_, more, scale) => {
      const without = await compiled({});
      const plain = reducedBuckets(without, 1);
      await applyStep(without.program, plain.outcome, { learningRate: rate, stepInStage: 0 });
      const expected = await tensorsOf(without);
      await session.close();
      session = new Session({ precision: 'float32', device: 'cpu' });
      const made = await compiled({}, more);
      const { tensors, outcome } = reducedBuckets(made, 1024);
      const applied = await applyStep(made.program, outcome, { learningRate: rate, stepInStage: 0 });
      expect(applied.lossScale).toBe(scale);
      const found = await tensorsOf(made);
      for (const [name, values] of expected) expect(same(found.get(name)!, values), name).toBe(true);
      for (const tensor of [...plain.tensors, ...tensors]) tensor.free();
    },
  );

  it.each(['infinite', 'not a number'])(
    'skips a step with a gradient that is %s: nothing changes but the scale',
    async (what) => {
      const made = await compiled({ ema: { decay: 0.9 }, optimizer: { kind: 'adamw' } }, scaled);
      const { program } = made;
      const good = reducedBuckets(made, 1024);
      const bad = reducedBuckets(made, 1024, (name, values) => {
        if (name === 'encoder.bn2.beta')
          values[3] = what === 'infinite' ? Number.POSITIVE_INFINITY : Number.NaN;
      });
      const step = async ({ outcome }: typeof good, stepInStage: number) =>
        await applyStep(program, outcome, { learningRate: rate, stepInStage });
      await step(good, 0);
      const before = await tensorsOf(made);
      const { gradNorm, lossScale } = await step(bad, 1);
      expect(Number.isFinite(gradNorm)).toBe(false);
      expect(lossScale).toBe(1024);
      const after = await tensorsOf(made);
      expect(after.get('loss-scale')).toEqual(Float32Array.of(512, 0, 1));
      for (const [name, values] of before) {
        if (name !== 'loss-scale') expect(same(after.get(name)!, values), name).toBe(true);
      }
      // The fingerprint has the scale, and two good steps double it.
      const print = await fingerprint(program.fingerprint);
      await made.replica.perturb('loss-scale');
      expect(await fingerprint(program.fingerprint)).not.toBe(print);
      await made.replica.perturb('loss-scale');
      const half = reducedBuckets(made, 512);
      await step(half, 2);
      const second = await tensorsOf(made);
      await step(half, 3);
      expect((await tensorsOf(made)).get('loss-scale')).toEqual(Float32Array.of(1024, 0, 1));
      for (const tensor of [...good.tensors, ...bad.tensors, ...half.tensors]) tensor.free();

      // For Adam's bias corrections and for averages the skipped step is none: the same without it.
      await session.close();
      session = new Session({ precision: 'float32', device: 'cpu' });
      const other = await compiled({ ema: { decay: 0.9 }, optimizer: { kind: 'adamw' } }, scaled);
      const again = reducedBuckets(other, 1024);
      for (const stepInStage of [0, 1]) {
        await applyStep(other.program, again.outcome, { learningRate: rate, stepInStage });
      }
      const without = await tensorsOf(other);
      for (const [name, values] of second) {
        if (name !== 'loss-scale') expect(same(without.get(name)!, values), name).toBe(true);
      }
      for (const tensor of again.tensors) tensor.free();
    },
  );
});
