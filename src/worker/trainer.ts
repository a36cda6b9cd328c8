/** What a worker does with the coordinator's messages: prepare a stage, step, evaluate, hand over its tensors. */
import type { Config } from '../shared/config/schema.js';
import type { SampleSource } from '../shared/data/sample-source.js';
import { openSource } from '../shared/data/source.js';
import { device, requireGpu } from '../shared/engine/device.js';
import { Session } from '../shared/engine/session.js';
import type { TracedFunction } from '../shared/engine/traced-function.js';
import { type ErrorCode, LockstepError } from '../shared/errors.js';
import { buildModel } from '../shared/model/model.js';
import { rangeOf } from '../shared/plan/range.js';
import { learningRateAt, momentumAt } from '../shared/plan/schedule.js';
import { Timeline } from '../shared/plan/timeline.js';
import type {
  Assignment,
  CoordinatorMessage,
  CoordinatorMessageOf,
  Proof,
  StepTimes,
} from '../shared/protocol/messages.js';
import type { ConnectOptions, Mesh } from '../shared/transport/mesh.js';
import { answer } from './bank-answers.js';
import { Batches } from './batches.js';
import type { CoordinatorLink } from './coordinator-link.js';
import { Evaluation, rowsOf } from './evaluate.js';
import { sentBytes, sumBytes } from './exchange/reducer.js';
import { FeatureBank } from './feature-bank.js';
import { FeatureCache } from './feature-cache.js';
import { fingerprint, traceFingerprint } from './functions/fingerprint.js';
import { fetchFrom } from './remote-samples.js';
import { Replica } from './replica.js';
import { receiveTensors, Snapshot } from './snapshot.js';
import { StageProgram } from './stage-program.js';
import { gatheredSizes, type StageShape, stageBuckets, stageShape } from './stage-shape.js';
import { runStep } from './step.js';
import { StepRecorder } from './step-recorder.js';
import { applyStep } from './update.js';

type DatasetFacts = CoordinatorMessageOf<'welcome'>['dataset'];

/** Failures of the exchange, which leave the replica as it was. */
const survivable: readonly ErrorCode[] = ['SUPERSEDED', 'WORKER_LOST', 'TRANSPORT'];

export class Trainer {
  #program: StageProgram | undefined;
  #evaluation: Evaluation | undefined;
  #bank: FeatureBank | undefined;
  #cache: FeatureCache | undefined;
  /** How long a step waited for the next one's batch, in ms: part of that step's input, not of this one's commit. */
  #aheadMs = 0;
  /** Settles when the last snapshot is on its way. */
  #saved: Promise<void> = Promise.resolve();

  private constructor(
    private readonly config: Config,
    private readonly dataset: DatasetFacts,
    private readonly mesh: Mesh,
    private readonly link: CoordinatorLink,
    private readonly replica: Replica,
    private readonly source: SampleSource,
    private readonly timeline: Timeline,
    private readonly batches: Batches,
    /** Of all weights and statistics, whatever the stage. */
    private readonly wholeFingerprint: TracedFunction,
    private readonly log: (message: string) => void,
  ) {}

  /** Builds the replica with the weights that the seed gives. */
  static async create(
    config: Config,
    dataset: DatasetFacts,
    mesh: Mesh,
    link: CoordinatorLink,
    log: (message: string) => void,
  ): Promise<Trainer> {
    link.enter('prepare stage');
    requireGpu();
    const source = await openSource(config.data, dataset, fetchFrom(link), log);
    const session = new Session({ precision: config.precision, device });
    const replica = new Replica(session, buildModel(config.model));
    // What is wrong with any of them is said before anything is trained.
    for (const index of config.stages.keys()) stageShape(config, replica.model, index);
    await replica.initialize(config.seed);
    const { train } = dataset;
    const timeline = new Timeline(config, train);
    const all = replica.tensors.map(({ variable }) => variable);
    return new Trainer(
      config,
      dataset,
      mesh,
      link,
      replica,
      source,
      timeline,
      new Batches(config, timeline, source, train),
      traceFingerprint(session, 'fingerprint', all),
      log,
    );
  }

  /** Serves the coordinator until it says stop. */
  async run(): Promise<void> {
    this.link.onForm((generation, error) => this.mesh.supersede(generation, error));
    await this.link.send({ type: 'ready' });
    for (;;) {
      this.link.enter('idle');
      const { message, frames } = await this.link.next();
      if (message.type === 'stop') {
        await this.#saved;
        await this.link.send({ type: 'bye' });
        return;
      }
      try {
        await this.#serve(message, frames);
      } catch (error) {
        await this.#survive(error);
      }
    }
  }

  /** A peer is lost, or a new generation begins: nothing has changed here, and the next message says how to go on. */
  async #survive(error: unknown): Promise<void> {
    if (!(error instanceof LockstepError) || !survivable.includes(error.code)) throw error;
    if (error.code === 'SUPERSEDED') return;
    this.log(error.line);
    await this.link.send({ type: 'broken', generation: this.mesh.generation, message: error.message });
  }

  async #serve(message: CoordinatorMessage, frames: readonly Uint8Array[]): Promise<void> {
    switch (message.type) {
      case 'form':
        await this.#join(message);
        break;
      case 'prepare':
        await this.#prepare(message.stage);
        break;
      case 'encode': {
        const { step, round } = message;
        this.link.enter('encode', step);
        this.mesh.begin(step);
        await this.#cache?.fill(round, step, this.mesh, this.config.deadlines.stepSeconds * 1000);
        await this.link.send({ type: 'encoded', round });
        break;
      }
      case 'step':
        await this.#steps(message.assignment);
        break;
      case 'evaluate':
        await this.#evaluate(message);
        break;
      case 'neighbours':
      case 'moments':
      case 'probe':
        await this.#ask(message, frames);
        break;
      case 'snapshot':
        this.link.enter('checkpoint');
        await this.#snapshot(message.tensors);
        break;
      case 'load':
        this.link.enter('checkpoint');
        await receiveTensors(this.link, this.replica, message.count);
        this.#evaluation?.forget();
        await this.link.send({ type: 'loaded', ...(await this.#proof()) });
        break;
      case 'perturb':
        await this.replica.perturb(message.tensor);
        break;
      default:
        throw new LockstepError(
          'PROTOCOL',
          `The coordinator sent '${message.type}' to a worker that is idle.`,
        );
    }
  }

  async #snapshot(withTensors: boolean): Promise<void> {
    const proof = await this.#proof();
    await this.#saved;
    if (!withTensors) return await this.link.send({ type: 'snapshot', tensors: [], ...proof });
    // Beside the steps that follow; a failure is the connection's, which ends the worker anyway.
    this.#saved = (await Snapshot.take(this.replica, proof)).send(this.link).catch(() => {});
  }

  /** Of all that a checkpoint holds. */
  async #proof(): Promise<Proof> {
    const state = this.#program?.state;
    return {
      fingerprint: await fingerprint(this.wholeFingerprint),
      state: state === undefined ? '' : await fingerprint(state),
    };
  }

  /** Outputs are sent as they come, or the features kept for what is asked of them later. */
  async #evaluate(message: CoordinatorMessageOf<'evaluate'>): Promise<void> {
    this.link.enter('evaluate');
    const { outputs, keep } = message;
    this.#evaluation ??= new Evaluation(this.replica, this.config, this.source, this.dataset);
    let bank: FeatureBank | undefined;
    if (keep !== null) {
      this.#bank?.free();
      bank = new FeatureBank(this.replica.session, this.config.evaluate.batchSize, keep);
      this.#bank = bank;
    }
    const keeps = this.#program?.shape.keepsTestFeatures ?? false;
    await this.#evaluation.run(message, keeps, async (made) => {
      const { batch, real } = made;
      bank?.add(made);
      const frames = bank === undefined ? outputs.map((output) => rowsOf(made.outputs[output]!, real)) : [];
      await this.link.send({ type: 'outputs', batch }, ...frames);
    });
    await this.link.send({ type: 'evaluated', fingerprint: await fingerprint(this.wholeFingerprint) });
  }

  async #ask(
    message: CoordinatorMessageOf<'neighbours' | 'moments' | 'probe'>,
    frames: readonly Uint8Array[],
  ): Promise<void> {
    this.link.enter('evaluate');
    if (this.#bank === undefined) {
      throw new LockstepError('PROTOCOL', `'${message.type}' came before any features were to be kept.`);
    }
    await answer(this.#bank, message, frames, (reply, ...values) => this.link.send(reply, ...values));
  }

  async close(): Promise<void> {
    this.#bank?.free();
    this.#evaluation?.forget();
    await this.replica.session.close();
  }

  /** Joins a generation: links to all of its workers, and memory for what is sent to them in a step. */
  async #join({ generation, rank, peers, ticket }: CoordinatorMessageOf<'form'>): Promise<void> {
    this.link.enter('connect');
    const { exchange, deadlines } = this.config;
    const shared = exchange.sharedMemory === 'auto';
    this.log(`generation ${generation}: rank ${rank} of ${peers.length}`);
    await this.mesh.connect(
      {
        generation,
        rank,
        ticket,
        peers: peers.map((peer) => (shared ? peer : { ...peer, machine: '' })),
      },
      { ...this.#memory(rank, peers.length), deadlineMs: deadlines.connectSeconds * 1000 },
    );
    await this.link.send({ type: 'joined', generation });
  }

  /** The most that this worker sends in a step of any stage, and that a step's sums take. */
  #memory(rank: number, worldSize: number): Pick<ConnectOptions, 'stepBytes' | 'sumBytes'> {
    const { microBatches } = this.config.batch;
    const stages = this.config.stages.map((_, index) => {
      const shape = this.#shape(index);
      const buckets = stageBuckets(shape, this.config.exchange.bucketBytes).map(({ size }) => size);
      const gathered = gatheredSizes(shape, this.replica.model);
      return {
        sent: sentBytes({ rank, worldSize, microBatches, buckets, gathered }),
        sums: sumBytes(buckets),
      };
    });
    return {
      stepBytes: Math.max(...stages.map(({ sent }) => sent)),
      sumBytes: Math.max(...stages.map(({ sums }) => sums)),
    };
  }

  async #prepare(stage: number): Promise<void> {
    this.link.enter('prepare stage');
    const shape = this.#shape(stage);
    this.#program = await StageProgram.compile(this.replica, shape, this.config.exchange.bucketBytes);
    this.#cache = shape.cachesFeatures
      ? new FeatureCache(this.replica, shape, this.source, this.dataset.train)
      : undefined;
    this.batches.from(this.#cache);
    this.#evaluation?.forget();
    const { lo, hi } = rangeOf(this.mesh.rank, this.mesh.worldSize, this.config.batch.microBatches);
    await this.#program.reserve(hi - lo);
    await this.link.send({
      type: 'prepared',
      stage,
      fingerprint: await fingerprint(this.wholeFingerprint),
      rounds: this.#cache?.rounds ?? 0,
    });
  }

  /** Steps as long as each commit brings the next assignment. */
  async #steps(first: Assignment): Promise<void> {
    for (let next: Assignment | null = first; next !== null; ) next = await this.#step(next);
  }

  async #step({ step, generation, range, stage, trace }: Assignment): Promise<Assignment | null> {
    const program = this.#program;
    if (program?.shape.index !== stage) {
      throw new LockstepError(
        'PROTOCOL',
        `A step of stage ${stage} was dealt before the stage was prepared.`,
      );
    }
    const began = performance.now();
    const recorder = trace ? new StepRecorder() : undefined;
    this.mesh.begin(step);
    await this.link.enter('input', step);
    await this.batches.prepare(step, range);
    recorder?.input(began);
    const prepared = performance.now() - began;
    const running = runStep(program, this.mesh, {
      step,
      range,
      batch: (k) => this.batches.take(step, k),
      deadlineMs: this.config.deadlines.stepSeconds * 1000,
      phase: (phase) => void this.link.enter(phase, step),
      recorder,
    });
    // Filled while the graph runs, so that input takes no time of a step.
    const ahead = this.batches.lookAhead(step + 1, range);
    ahead.catch(() => {});
    // The replica is not changed before the commit, so its fingerprint can be taken beside the step.
    const [{ reduced, scaledNorm, result, ms }, weights] = await Promise.all([
      running,
      fingerprint(program.fingerprint),
    ]);
    const times: StepTimes = { ...ms, input: ms.input + prepared + this.#aheadMs };
    let isCommitted = false;
    try {
      const summed = performance.now();
      this.link.enter('commit', step);
      recorder?.reported();
      await this.link.send({ type: 'reduced', generation, step, fingerprint: weights, result, ms: times });
      const waiting = performance.now();
      await ahead;
      this.#aheadMs = performance.now() - waiting;
      recorder?.input(waiting);
      const { message } = await this.link.expect('commit');
      isCommitted = true;
      recorder?.committed();
      if (message.step !== step) {
        throw new LockstepError(
          'PROTOCOL',
          `Step ${message.step} was committed while this worker is at ${step}.`,
        );
      }
      this.link.enter('apply', step);
      const { stage: place, samples, stepInStage } = this.timeline.position(step);
      const applying = performance.now();
      const applied = await applyStep(
        program,
        { reduced, scaledNorm },
        {
          learningRate: learningRateAt(place.learningRate, place, samples),
          momentum: momentumAt(place.learningRate, place, samples),
          stepInStage,
        },
      );
      const sizes = program.buckets.map(({ size }) => size);
      await this.link.send({
        type: 'applied',
        generation,
        step,
        ...applied,
        commitMs: performance.now() - summed - this.#aheadMs,
        ...(recorder === undefined ? {} : { trace: recorder.finish(applying, sizes) }),
      });
      return message.next;
    } finally {
      // Until the commit a socket may still be sending from them.
      for (const tensor of reduced) {
        if (isCommitted) tensor.free();
        else tensor.abandon();
      }
      if (!isCommitted) program.sumMemory.abandon();
    }
  }

  #shape(stage: number): StageShape {
    return stageShape(this.config, this.replica.model, stage, this.dataset.train);
  }
}
