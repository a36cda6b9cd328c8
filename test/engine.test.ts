import { constants, PerformanceObserver } from 'node:perf_hooks';
import type { NamedTensorMap, Tensor } from '@tensorflow/tfjs-node-gpu';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Graph } from '../src/shared/engine/graph.js';
import { HostTensor, liveHostTensors } from '../src/shared/engine/host-tensor.js';
import { Session } from '../src/shared/engine/session.js';
import { InStream, OutStream } from '../src/shared/engine/stream.js';
import { tf } from '../src/shared/engine/tensorflow.js';
import { Region } from '../src/shared/transport/region.js';

let session: Session;
beforeAll(() => {
  session = new Session({ precision: 'float32', device: 'cpu' });
});
afterAll(() => session.close());

describe('a traced function', () => {
  it('gives the values and gradients that tfjs gives eagerly', async () => {
    const f = (x: Tensor, w: Tensor) => tf.sum(tf.square(tf.matMul(x as never, w as never)));
    const x = [1, 2, 3, 4, 5, 6];
    const w = [0.5, -1, 2];
    const traced = session.trace('square', (t) => {
      const { value, grads } = tf.valueAndGrads(f as never)([
        t.input('x', 'float32', [2, 3]),
        t.input('w', 'float32', [3, 1]),
      ]);
      return { value, dx: grads[0]!, dw: grads[1]! };
    });
    const out = await traced.run({ x, w });
    const eager = tf.valueAndGrads(f as never)([tf.tensor(x, [2, 3]), tf.tensor(w, [3, 1])]);
    expect(out.value!.scalar).toBe(eager.value.dataSync()[0]);
    expect([...out.dx!.floats]).toEqual([...eager.grads[0]!.dataSync()]);
    expect([...out.dw!.floats]).toEqual([...eager.grads[1]!.dataSync()]);
    for (const tensor of Object.values(out)) tensor.free();
  });

  it('casts uint8 inputs to float32 inside the graph', async () => {
    const traced = session.trace('bytes', (t) => ({ y: tf.div(t.input('x', 'uint8', [4]), 2) }));
    const { y } = await traced.run({ x: Uint8Array.of(1, 2, 3, 255) });
    expect([...y!.floats]).toEqual([0.5, 1, 1.5, 127.5]);
    y!.free();
  });

  it('keeps variables between runs', async () => {
    const counter = session.variable('counter', 'float32', [2]);
    await session.assign(new Map([[counter, [1, 2]]]));
    const add = session.trace('add', (t) => {
      const outputs: NamedTensorMap = {};
      t.inOrder(
        () => t.assign(counter, tf.add(t.read(counter), t.input('x', 'float32', [2]))),
        () => t.assign(counter, tf.mul(t.read(counter), 2)),
        () => {
          outputs.after = t.read(counter);
        },
      );
      return outputs;
    });
    const { after } = await add.run({ x: [10, 20] });
    expect([...after!.floats]).toEqual([22, 44]);
    after!.free();
    const [value] = await session.read([counter]);
    expect([...value!.floats]).toEqual([22, 44]);
    value!.free();
  });
});

describe('constants', () => {
  it('are one operation for each value, type and shape, and remain apart otherwise', async () => {
    const made = vi.spyOn(Graph.prototype, 'constant');
    try {
      const traced = session.trace('constants', (t) => {
        const x = t.input('x', 'float32', [2]);
        const one = t.constant(tf.tensor([0, 0]));
        const other = t.constant(tf.tensor([0, 0], [1, 2]));
        // The same bytes again, as int32.
        const third = t.constant(tf.tensor([0, 0], [2], 'int32'));
        const again = t.constant(tf.tensor([0, 0]));
        return { sum: tf.add(tf.add(x, one), again), row: other, third };
      });
      expect(made).toHaveBeenCalledTimes(3);
      const { sum, row, third } = await traced.run({ x: [1, 2] });
      expect([...sum!.floats]).toEqual([1, 2]);
      expect([row!.shape, third!.dtype]).toEqual([[1, 2], 'int32']);
      for (const tensor of [sum, row, third]) tensor!.free();
    } finally {
      made.mockRestore();
    }
  });

  it('are there for what only a condition allows, too', async () => {
    const kept = session.variable('kept', 'float32', [1]);
    const conditional = session.trace('conditional', (t) => {
      const allowed = t.input('allowed', 'int32', []);
      const y = tf.mul(t.input('x', 'float32', [1]), 3);
      t.onlyIf(tf.greater(allowed, 0), () => t.assign(kept, tf.mul(t.read(kept), 3)));
      return { y };
    });
    await session.assign(new Map([[kept, (out: Float32Array) => out.fill(2)]]));
    for (const [allowed, expected] of [
      [0, 2],
      [1, 6],
    ]) {
      const { y } = await conditional.run({ allowed: [allowed!], x: [1] });
      expect(y!.scalar).toBe(3);
      y!.free();
      const [value] = await session.read([kept]);
      expect(value!.scalar).toBe(expected);
      value!.free();
    }
  });
});

describe('streams', () => {
  it('carry many values of several runs, and each run gets its answers in order', async () => {
    const out = new OutStream(session, 'all runs');
    const runs = [0, 1, 2].map((from) => {
      const answers = new InStream(session, `answers to ${from}`);
      const traced = session.trace(`stream ${from}`, (t) => {
        const x = t.input('x', 'float32', [2]);
        t.send(out, { from, what: 0 }, x);
        t.send(out, { from, what: 1 }, tf.reshape(tf.mul(x, 10), [2, 1]));
        const [first, second] = [t.receive(answers, 1), t.receive(answers, 2)];
        // Of two values that could be had at the same time, the first in the trace is the first in the stream.
        return { y: tf.concat([second as never, first as never]) };
      });
      return { traced, answers };
    });
    const results = runs.map(({ traced }, i) => traced.run({ x: [i, i + 1] }));
    const taken: string[] = [];
    for (let n = 0; n < 6; n += 1) {
      const { from, what, value } = await out.take();
      taken.push(`${from} ${what}: ${value.shape} of ${value.floats}`);
      value.free();
    }
    expect(taken.sort()).toEqual([
      '0 0: 2 of 0,1',
      '0 1: 2,1 of 0,10',
      '1 0: 2 of 1,2',
      '1 1: 2,1 of 10,20',
      '2 0: 2 of 2,3',
      '2 1: 2,1 of 20,30',
    ]);
    for (const [i, { answers }] of runs.entries()) {
      await answers.put(Float32Array.of(i));
      await answers.put(Float32Array.of(10 + i, 20 + i));
    }
    for (const [i, result] of results.entries()) {
      const { y } = await result;
      expect([...y!.floats]).toEqual([10 + i, 20 + i, i]);
      y!.free();
    }
  });
});

describe('mistakes', () => {
  it('reading a traced tensor says that nothing has been computed', () => {
    expect(() =>
      session.trace('read', (t) => ({ y: tf.scalar(t.input('x', 'float32', []).dataSync()[0]!) })),
    ).toThrow(/Tracing 'read': The value of the traced tensor float32\[\] was read/);
  });

  it.each([
    ['never used', (x: Tensor) => x],
    [
      'used before',
      (x: Tensor) => {
        tf.square(x).dataSync();
        return x;
      },
    ],
  ])('capturing an eager tensor (%s) is refused, and leaves it whole', (_, prepare) => {
    const eager = prepare(tf.tensor([1, 2]));
    expect(() =>
      session.trace('capture', (t) => ({ y: tf.add(t.input('x', 'float32', [2]), eager) })),
    ).toThrow(/Tracing 'capture': tfjs's Add uses an eager tensor/);
    expect([...tf.square(eager).dataSync()]).toEqual([1, 4]);
  });

  it('an eager tensor may become a constant on purpose', async () => {
    const eager = tf.tensor([1, 2]);
    const traced = session.trace('constant', (t) => ({
      y: tf.add(t.input('x', 'float32', [2]), t.constant(eager)),
    }));
    const { y } = await traced.run({ x: [1, 1] });
    expect([...y!.floats]).toEqual([2, 3]);
    y!.free();
  });

  it('an operation that TensorFlow refuses is named with its tfjs call and shapes', () => {
    expect(() =>
      session.trace('refused', (t) => {
        const [y] = t.op('MatMul', [t.input('a', 'float32', [2, 3]), t.input('b', 'float32', [4, 5])], {
          T: { kind: 'type', value: 1 },
        });
        return { y: y! };
      }),
    ).toThrow(/TensorFlow refuses MatMul\(float32\[2,3\], float32\[4,5\]\).*Dimensions must be equal/);
  });

  it('a missing and an unknown input are named', async () => {
    const traced = session.trace('inputs', (t) => ({ y: tf.square(t.input('x', 'float32', [1])) }));
    await expect(traced.run({})).rejects.toThrow("'inputs' was run without input 'x'");
    await expect(traced.run({ x: [1], z: [1] })).rejects.toThrow("'inputs' has no input 'z'");
  });
});

it('closing a session cancels a run that waits at a stream', async () => {
  const own = new Session({ precision: 'float32', device: 'cpu' });
  const never = new InStream(own, 'never');
  const traced = own.trace('waits', (t) => ({ y: t.receive(never, 1) }));
  const refused = expect(traced.run()).rejects.toThrow(/closed|cancelled/i);
  await own.close();
  await refused;
});

it('is fed from memory that is not its own, without a copy, and leaves that alone', async () => {
  const twice = session.trace('twice', (t) => ({ y: tf.mul(t.input('x', 'float32', [1000]), 2) }));
  const region = Region.create(4096);
  region.unlink();
  const memory = new Float32Array(region.buffer, 64, 1000);
  const tensor = HostTensor.over(memory);
  for (const value of [3, 4]) {
    memory.fill(value);
    const { y } = await twice.run({ x: tensor });
    expect(y!.floats.every((result) => result === 2 * value)).toBe(true);
    y!.free();
  }
  tensor.free();
  expect(memory[999]).toBe(4);
});

it('frees what it allocates', () => {
  expect(liveHostTensors()).toBe(0);
});

it('values that come and go do not make V8 collect its whole heap', async () => {
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as unknown as { readonly detail: { readonly kind: number } }).detail;
      if (kind !== constants.NODE_PERFORMANCE_GC_MINOR) collections += 1;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  // 3.4 GB in all; V8 begins to collect at 64 MB.
  for (let i = 0; i < 400; i += 1) {
    HostTensor.allocate('float32', [2 << 20]).free();
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  observer.disconnect();
  expect(collections).toBeLessThan(3);
});
