/**
 * A run's event files, and the projector's, read by TensorBoard's own reader. pip installs it into .cache/test-python (90 MB, once a clone;
 * about 5 s); where it can't, these tests are skipped.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Commands, committed, eventsOf } from './lockstep-command.js';
import { pythonWith } from './python-packages.js';
import { smallConfig } from './small-run.js';

const python = pythonWith('tensorboard-2.21.0', [
  'tensorboard==2.21.0',
  ...['protobuf', 'numpy', 'absl-py', 'packaging'],
]);

/** Everything in a folder's event files, by tag: steps, wall times and values. */
const script = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
read = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'tensors': 0, 'histograms': 0})
read.Reload()
tags = read.Tags()
print(json.dumps({
  'scalars': {t: [[e.step, e.wall_time, e.value] for e in read.Scalars(t)] for t in tags['scalars']},
  'texts': {t: [[e.step, e.tensor_proto.string_val[0].decode()] for e in read.Tensors(t)] for t in tags['tensors'] if not t.startswith('_hparams_')},
  'histograms': {t: [[e.step, sum(e.histogram_value.bucket)] for e in read.Histograms(t)] for t in tags['histograms']},
}))`;

/** A projector's configuration, as TensorBoard reads it. */
const projectorScript = `
import sys
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
[e] = text_format.Parse(open(sys.argv[1]).read(), ProjectorConfig()).embeddings
print(e.tensor_name, e.tensor_path, e.metadata_path, e.sprite.image_path, list(e.sprite.single_image_dim))`;

/** What the table of hyper-parameters shows of a run, by the plugin's own code. */
const hparamsScript = `
import json, sys
from tensorboard import context
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups
runs = plugin_event_multiplexer.EventMultiplexer().AddRunsFromDirectory(sys.argv[1])
runs.Reload()
provider = data_provider.MultiplexerDataProvider(runs, sys.argv[1])
backend = backend_context.Context(base_plugin.TBContext(data_provider=provider, logdir=sys.argv[1]))
request = api_pb2.ListSessionGroupsRequest(slice_size=9, allowed_statuses=api_pb2.Status.values())
answer = list_session_groups.Handler(context.RequestContext(), backend, '', request).run()
print(json.dumps([{
  'status': [api_pb2.Status.Name(s.status) for s in group.sessions],
  'hparams': {k: getattr(v, v.WhichOneof('kind')) for k, v in group.hparams.items()},
  'metrics': {m.name.tag: m.value for m in group.metric_values},
} for group in answer.session_groups]))`;

interface Shown {
  readonly scalars: Record<string, [step: number, wallTime: number, value: number][]>;
  readonly texts: Record<string, [step: number, text: string][]>;
  readonly histograms: Record<string, [step: number, count: number][]>;
}

const shown = (folder: string) => JSON.parse(python!(script, folder)) as Shown;
const totalSteps = 48;

describe.skipIf(python === undefined)('TensorBoard', () => {
  const commands = new Commands();
  const run = join(commands.folder, 'run');
  const board = join(run, 'tensorboard');
  let made: Promise<{ readonly killedAfter: number }> | undefined;

  /** A run that is killed and goes on from well before that; all tests look at the same one. */
  const resumedRun = () => {
    made ??= makeRun();
    return made;
  };
  const makeRun = async () => {
    const config = join(commands.folder, 'config.yaml');
    const text = smallConfig({
      microBatches: 4,
      epochs: [1, 2],
      more: 'checkpoint: { everySteps: 10, keep: 9 }',
    });
    writeFileSync(config, text);
    const train = () => commands.start(['train', config, '--out', run, '--resume']);
    const first = train();
    await committed(run, 25);
    first.child.kill('SIGKILL');
    await first.ended;
    const killedAfter = (await eventsOf(run, 'step')).length;
    const checkpoints = join(run, 'checkpoints');
    for (const name of readdirSync(checkpoints)) {
      if (name !== '00000010') rmSync(join(checkpoints, name), { recursive: true });
    }
    const { code, stderr } = await train().ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('goes on after step 10');
    return { killedAfter };
  };
  afterAll(() => commands.end());

  it('shows each step of a resumed run once, with the values of metrics.jsonl', async () => {
    await resumedRun();
    expect(readdirSync(board)).toHaveLength(2);
    const { scalars } = shown(board);
    const steps = await eventsOf(run, 'step');
    const evaluations = await eventsOf(run, 'eval');
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: totalSteps }, (_, i) => i + 1));
    const single = (values: readonly (readonly [number, number | undefined])[]) =>
      values.flatMap(([step, value]) => (value === undefined ? [] : [[step, Math.fround(value)]]));
    const of = (tag: string) => scalars[tag]!.map(([step, , value]) => [step, value]);
    expect(of('train/loss')).toEqual(single(steps.map(({ step, loss }) => [step, loss])));
    expect(of('train/accuracy')).toEqual(single(steps.map(({ step, accuracy }) => [step, accuracy])));
    expect(of('train/excess')).toEqual(single(steps.map(({ step, excess }) => [step, excess])));
    expect(of('train/lr')).toEqual(single(steps.map(({ step, lr }) => [step, lr])));
    // A step that was skipped has none, but a loss scale.
    const norms = steps.map(({ step, gradNorm, skipped }) => [step, skipped ? undefined : gradNorm] as const);
    expect(norms.some(([, norm]) => norm === undefined)).toBe(true);
    expect(of('train/grad_norm')).toEqual(single(norms));
    expect(of('train/loss_scale')).toEqual(single(steps.map(({ step, lossScale }) => [step, lossScale])));
    expect(of('throughput/images_per_second')).toEqual(single(steps.map((e) => [e.step, e.imagesPerSec])));
    expect(of('step_ms/exposed_comm')).toEqual(single(steps.map(({ step, ms }) => [step, ms.exposedComm])));
    expect(of('eval/loss')).toEqual(single(evaluations.map(({ step, loss }) => [step, loss])));
    expect(of('eval/accuracy')).toEqual(single(evaluations.map(({ step, accuracy }) => [step, accuracy])));
    const times = scalars['train/loss']!.map(([, wallTime]) => wallTime);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(Math.abs(times.at(-1)! - Date.now() / 1000)).toBeLessThan(60);
  });

  it('had been told of steps that the run then did again', async () => {
    const { killedAfter } = await resumedRun();
    const first = readdirSync(board).sort()[0]!;
    const { scalars } = shown(join(board, first));
    expect(scalars['train/loss']!.length).toBeGreaterThanOrEqual(killedAfter - 1);
    expect(killedAfter).toBeGreaterThan(10);
  });

  it('shows the configuration', async () => {
    await resumedRun();
    const { texts } = shown(board);
    expect(texts['run/config']).toEqual([[0, expect.stringContaining('encoder: tiny')]]);
    expect(texts['run/start']).toEqual([[0, expect.stringContaining('name: small')]]);
  });

  it('has the run in its table of hyper-parameters, with its final accuracy', async () => {
    await resumedRun();
    const { accuracy } = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8'));
    const table = () => JSON.parse(python!(hparamsScript, run));
    const [group, ...others] = table();
    expect(others).toEqual([]);
    expect(group.status).toEqual(['STATUS_SUCCESS']);
    expect(group.hparams).toMatchObject({
      ...{ seed: 1, workers: 1, 'batch.microBatches': 4, 'model.encoder': 'tiny' },
      ...{ 'pretrain.objective': 'npairs', 'train.optimizer.kind': 'sgd', 'train.learningRate.peak': 0.05 },
    });
    expect(Object.keys(group.hparams).filter((name) => name.startsWith('checkpoint'))).toEqual([]);
    expect(group.metrics['hparam/accuracy']).toBe(Math.fround(accuracy));
  });

  it("is given histograms of the checkpoints' weights, and the scalars of a run that has none", async () => {
    await resumedRun();
    const before = shown(board).scalars;
    rmSync(board, { recursive: true });
    for (const scalars of ['written', 'kept']) {
      const made = await commands.start(['tensorboard', run, '--histograms', '--json']).ended;
      expect(made.code, made.stderr).toBe(0);
      expect(JSON.parse(made.stdout)).toMatchObject({ folder: board, scalars });
    }
    expect(JSON.parse(python!(hparamsScript, run))).toMatchObject([{ status: ['STATUS_SUCCESS'] }]);
    const after = shown(board).scalars;
    const untimed = (all: Shown['scalars']) =>
      Object.entries(all).map(([tag, values]) => [tag, values.map(([step, , value]) => [step, value])]);
    expect(untimed(after)).toEqual(untimed(before));
    const { histograms } = shown(join(board, 'weights'));
    // The tiny encoder's first convolution: 3 x 3, from 3 channels to 16.
    const kept = readdirSync(join(run, 'checkpoints')).map(Number);
    expect(histograms['encoder/conv1.kernel']).toEqual(kept.map((step) => [step, 3 * 3 * 3 * 16]));
    expect(Object.keys(histograms)).toContain('classifier/1.bias');
  });

  it("is given the encoder's features of the test images, the same on any number of workers", async () => {
    await resumedRun();
    const written = [];
    for (const workers of ['1', '2']) {
      const to = join(commands.folder, `embeddings-${workers}`);
      const { code, stderr } = await commands.start(['eval', run, '--workers', workers, '--embeddings', to])
        .ended;
      expect(code, stderr).toBe(0);
      written.push(readFileSync(join(to, 'tensors.tsv'), 'utf8'));
      expect(python!(projectorScript, join(to, 'projector_config.pbtxt')).trim()).toBe(
        'features tensors.tsv metadata.tsv sprite.png [32, 32]',
      );
      const classes = readFileSync(join(to, 'metadata.tsv'), 'utf8').trim().split('\n');
      expect(classes).toHaveLength(1 + 100);
      expect(classes[1]).toBe('airplane\t0');
    }
    expect(written[1]).toBe(written[0]);
    const points = written[0]!.trim().split('\n');
    expect(new Set(points).size).toBe(100);
    // The tiny encoder makes 32 features, each the mean of what ReLU gave.
    for (const point of points) {
      const values = point.split('\t').map(Number);
      expect(values).toHaveLength(32);
      expect(values.every((value) => value >= 0)).toBe(true);
    }
  });
});
