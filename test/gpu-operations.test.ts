/**
 * What a GPU is asked for: only operations that give the same bits twice there. TensorFlow refuses the others when
 * TF_DETERMINISTIC_OPS is set, as it is, but only when they run, and here there is no GPU.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import { loadConfig } from '../src/shared/config/load.js';
import { device, requireGpu } from '../src/shared/engine/device.js';
import { Graph } from '../src/shared/engine/graph.js';
import { Session } from '../src/shared/engine/session.js';
import { buildModel } from '../src/shared/model/model.js';
import { packageRoot } from '../src/shared/package-root.js';
import { traceClassifier, traceEncoding } from '../src/worker/functions/evaluation.js';
import { traceNearest } from '../src/worker/functions/nearest.js';
import { traceMoments, traceProbe } from '../src/worker/functions/probe.js';
import { Replica } from '../src/worker/replica.js';
import { StageProgram } from '../src/worker/stage-program.js';
import { stageShape } from '../src/worker/stage-shape.js';

/**
 * Kernels for GPUs that check OpDeterminismRequired() and then refuse (tensorflow/core/kernels), or that the RFC on
 * determinism (tensorflow/community, 20210119-determinism.md) lists as having no order.
 */
const refused = new Set([
  ...['Bincount', 'DenseBincount', 'CropAndResizeGradBoxes', 'CropAndResizeGradImage', 'AdjustContrastv2'],
  ...['DepthwiseConv2dNativeBackpropFilter', 'FusedBatchNormGrad', 'FusedBatchNormGradV2'],
  ...[
    'MaxPoolGradWithArgmax',
    'MaxPoolGradGrad',
    'QuantizeAndDequantizeV4Grad',
    'FakeQuantWithMinMaxVarsGradient',
  ],
  ...['ResizeNearestNeighborGrad', 'SparseTensorDenseMatMul', 'SparseSegmentSum', 'SparseSegmentMean'],
  ...['SegmentSum', 'SegmentMean', 'SegmentProd', 'UnsortedSegmentSum', 'UnsortedSegmentProd', 'ScatterNd'],
  ...['ScatterAdd', 'ResourceScatterAdd', 'ResourceScatterUpdate', 'TensorScatterAdd', 'TensorScatterUpdate'],
  ...['SoftmaxCrossEntropyWithLogits', 'SparseSoftmaxCrossEntropyWithLogits'],
]);

let added: MockInstance<Graph['add']>;
let session: Session;
beforeEach(() => {
  added = vi.spyOn(Graph.prototype, 'add');
  session = new Session({ precision: 'float32', device: 'gpu' });
});
afterEach(async () => {
  added.mockRestore();
  await session.close();
});

/** The types of what is in the graph, with what matters of an operation's attributes. */
function operations(): string[] {
  const types = added.mock.calls.map(([type, , attributes = {}]) => {
    const training = attributes.is_training;
    return training?.kind === 'bool' && !training.value ? `${type} in inference` : type;
  });
  return [...new Set(types)].sort();
}

function expectOnlyOrdered(): void {
  const found = operations();
  expect(found.filter((type) => refused.has(type))).toEqual([]);
  // Our own are for CPUs.
  expect(found.filter((type) => type.startsWith('Lockstep'))).toEqual([]);
  // Of BatchNorm by given statistics it is the gradient that is refused.
  expect(found).not.toContain('FusedBatchNormGradV3 in inference');
}

const folder = join(packageRoot, 'configs');
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml') && !name.startsWith('study-'));

describe('on a GPU every operation has an order', () => {
  it.each(files)(
    'in the stages of %s, and in its evaluation',
    async (file) => {
      const config = await loadConfig(join(folder, file), { set: ['precision=float32'] });
      const model = buildModel(config.model);
      const replica = new Replica(session, model);
      await replica.initialize(config.seed);
      for (const index of config.stages.keys()) {
        await StageProgram.compile(replica, stageShape(config, model, index), config.exchange.bucketBytes);
      }
      traceEncoding(
        replica,
        'encode',
        { count: 2, model: config.model },
        { embeddings: model.embeddingWidth > 0 },
      );
      if (config.model.classifier !== undefined) traceClassifier(replica, 'classify', 2);
      expectOnlyOrdered();
      expect(operations()).toContain('FusedBatchNormGradV3');
    },
    60_000,
  );

  it.each(['softmax', 'npairs'])(
    'with the statistics of the global batch (%s), and frozen parts',
    async (of) => {
      const contrastive = of === 'npairs';
      const config = await loadConfig(
        join(folder, `demo-${contrastive ? 'contrastive' : 'traditional'}.yaml`),
        {
          set: ['model.batchNorm.statistics=globalBatch', 'batch.microBatches=2', 'batch.microBatchSize=4'],
        },
      );
      const model = buildModel(config.model);
      const replica = new Replica(session, model);
      await replica.initialize(config.seed);
      const program = await StageProgram.compile(replica, stageShape(config, model, 0), 4096);
      await program.reserve(2);
      expectOnlyOrdered();
      expect(operations()).toContain('FusedBatchNormV3 in inference');
    },
  );

  it('in what features are asked', () => {
    traceNearest(session, 'nearest', { queries: 3, block: 4, width: 8, k: 2 });
    traceMoments(session, 'moments', { block: 4, width: 8 });
    traceProbe(session, 'probe', { block: 4, width: 8, classes: 10 });
    expectOnlyOrdered();
  });
});

describe('a worker that was given a GPU', () => {
  it('ends when TensorFlow finds none', () => {
    const given =
      (visible: string | undefined, found: 'cpu' | 'gpu' = 'cpu', kind: 'cpu' | 'gpu' = 'gpu') =>
      () =>
        requireGpu({ kind }, visible, found);
    expect(given('3')).toThrow('TensorFlow finds no GPU, though CUDA_VISIBLE_DEVICES is 3.');
    expect(given('GPU-1f0,GPU-2')).toThrow('CUDA_VISIBLE_DEVICES is GPU-1f0,GPU-2');
    expect(given('3', 'gpu')).not.toThrow();
    expect(given('3', 'cpu', 'cpu')).not.toThrow();
    for (const none of ['', '-1', undefined]) expect(given(none)).not.toThrow();
  });

  it('is one of a device that TensorFlow names', () => {
    expect(['cpu', 'gpu']).toContain(device);
  });
});
