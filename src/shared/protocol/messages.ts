/** The control protocol between coordinator and workers: every message, checked at the edge. */
import { z } from 'zod';
import { stepTraceSchema } from './step-trace.js';

/** Raised when a message changes its meaning; both sides must have the same. */
export const protocolVersion = 7;

const rank = z.int().nonnegative();
const step = z.int().nonnegative();
const generation = z.int().nonnegative();
/** What was computed: also an infinity, or NaN, which the coordinator judges. */
const computed = z.custom<number>((value) => typeof value === 'number', 'expected a number');

/** What a worker is doing: named when it is lost. */
export const phaseSchema = z.enum([
  'register',
  'connect',
  'prepare stage',
  'input',
  'forward and backward',
  'gather',
  'reduce',
  'commit',
  'apply',
  'encode',
  'evaluate',
  'checkpoint',
  'idle',
]);
export type Phase = z.infer<typeof phaseSchema>;

/** A half-open range of micro-batches (or evaluation batches). */
export const rangeSchema = z.strictObject({ lo: z.int().nonnegative(), hi: z.int().nonnegative() });

/** Where a worker's bulk socket is, and whether its memory can be shared. */
export const peerSchema = z.strictObject({
  rank,
  host: z.string(),
  /** The bulk socket's ZeroMQ endpoint. */
  endpoint: z.string(),
  /** Equal for workers that can map each other's memory; empty when sharing is off. */
  machine: z.string(),
});
export type Peer = z.infer<typeof peerSchema>;

const tensorSpecSchema = z.strictObject({
  name: z.string(),
  shape: z.array(z.int().nonnegative()),
  file: z.enum(['weights', 'optimizer']),
});
export type TensorSpec = z.infer<typeof tensorSpecSchema>;

/** What replicas that are the same have alike. */
const proofSchema = z.strictObject({
  /** Of all weights and statistics. */
  fingerprint: z.string(),
  /** Of what the stage keeps beside them: optimiser slots, averages. Empty without any. */
  state: z.string(),
});
export type Proof = z.infer<typeof proofSchema>;

/** Where a worker's time went, in milliseconds. */
const stepTimesSchema = z.strictObject({
  /** Making the batch, also ahead of the step. */
  input: z.number(),
  compute: z.number(),
  /** Waiting for other workers' values while nothing was computed. */
  exposedComm: z.number(),
});
export type StepTimes = z.infer<typeof stepTimesSchema>;

/** What the global batch gave in one step; every worker has the same bits. */
const stepResultSchema = z.strictObject({
  loss: computed,
  /** Fraction of right answers; softmax only. */
  accuracy: z.number().nullable(),
  /** n-pairs and SupCon only: the loss above its floor, comparable across batch sizes. */
  excess: computed.nullable(),
});
export type StepResult = z.infer<typeof stepResultSchema>;

/** What a model makes of an image: float32 rows, as wide as each is. */
export const modelOutputSchema = z.enum(['logits', 'features', 'embeddings']);
export type ModelOutput = z.infer<typeof modelOutputSchema>;

/** What a worker may ask for at once: the answer is 3 kB each. */
export const maxSamples = 1024;
const sampleIds = z.array(z.int()).max(maxSamples);

/** Worker to coordinator. */
export const workerMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('register'),
    protocol: z.int(),
    version: z.string(),
    engine: z.string(),
    host: z.string(),
    pid: z.int(),
    gpu: z.string().nullable(),
    peer: peerSchema.omit({ rank: true }),
    /** The launcher's place that the process fills, if it was launched. */
    slot: z.int().nullable(),
  }),
  /** The worker has built its replica and can be part of a generation. */
  z.strictObject({ type: z.literal('ready') }),
  z.strictObject({ type: z.literal('joined'), generation }),
  /** The step, or what else this generation did, came to nothing here: `message` says why. Waits for the next generation. */
  z.strictObject({ type: z.literal('broken'), generation, message: z.string() }),
  z.strictObject({
    type: z.literal('prepared'),
    stage: z.int().nonnegative(),
    fingerprint: z.string(),
    /** Of `encode`, before the stage's first step; 0 where it caches no features. */
    rounds: z.int().nonnegative(),
  }),
  /** It has the features of all rounds up to this one. */
  z.strictObject({ type: z.literal('encoded'), round: z.int().nonnegative() }),
  z.strictObject({
    type: z.literal('reduced'),
    generation,
    step,
    /** Of the weights before this step is applied. */
    fingerprint: z.string(),
    result: stepResultSchema,
    ms: stepTimesSchema,
  }),
  z.strictObject({
    type: z.literal('applied'),
    generation,
    step,
    /** Global norm of the reduced gradients before clipping. */
    gradNorm: computed,
    /** What the loss was multiplied by, where that changes. */
    lossScale: z.number().nullable(),
    /** From the end of the reduction until the new weights are in place, but for filling the next batch meanwhile. */
    commitMs: z.number(),
    /** Of a step that was dealt with `trace`. */
    trace: stepTraceSchema.optional(),
  }),
  /**
   * One evaluation batch is done. A raw frame for each output that was asked for, in that order: its rows, float32
   * [images, width]. None where the worker was to keep the features.
   */
  z.strictObject({ type: z.literal('outputs'), batch: z.int().nonnegative() }),
  /** All batches of an `evaluate` are done. */
  z.strictObject({ type: z.literal('evaluated'), fingerprint: z.string() }),
  /** Of the kept features, two raw frames: similarities float32 [rows, k], best first, and their images int32 [rows, k]. */
  z.strictObject({ type: z.literal('neighbours') }),
  /** A raw frame for each block of kept features: float32 [2, features], means and squared deviations from them, summed. */
  z.strictObject({ type: z.literal('moments') }),
  /** A raw frame for each block of kept features: float32, the loss and its gradient. */
  z.strictObject({ type: z.literal('probed') }),
  z.strictObject({ type: z.literal('snapshot'), tensors: z.array(tensorSpecSchema), ...proofSchema.shape }),
  /** Followed by one raw frame. */
  z.strictObject({ type: z.literal('tensor'), name: z.string() }),
  z.strictObject({ type: z.literal('loaded'), ...proofSchema.shape }),
  z.strictObject({ type: z.literal('samples'), split: z.enum(['train', 'test']), ids: sampleIds }),
  z.strictObject({ type: z.literal('beat'), phase: phaseSchema, step }),
  /** A batch system has asked this worker's process to end, maybe only it: the whole run is meant. */
  z.strictObject({ type: z.literal('signalled'), signal: z.string() }),
  z.strictObject({ type: z.literal('failed'), code: z.string(), message: z.string(), phase: phaseSchema }),
  z.strictObject({ type: z.literal('bye') }),
]);
export type WorkerMessage = z.infer<typeof workerMessageSchema>;
export type WorkerMessageOf<T extends WorkerMessage['type']> = Extract<WorkerMessage, { type: T }>;

const assignmentSchema = z.strictObject({
  generation,
  stage: z.int().nonnegative(),
  /** Counted over the whole run. */
  step,
  range: rangeSchema,
  /** Whether to say when things happened in it. */
  trace: z.boolean().optional(),
});
export type Assignment = z.infer<typeof assignmentSchema>;

/** Coordinator to worker. */
export const coordinatorMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('welcome'),
    /** The resolved configuration, checked again by the worker. */
    config: z.unknown(),
    dataset: z.strictObject({ digest: z.string(), train: z.int(), test: z.int() }),
  }),
  /** Who takes part from now on. Whatever the generation before was doing is void, but for a commit. */
  z.strictObject({
    type: z.literal('form'),
    generation,
    rank,
    peers: z.array(peerSchema),
    /** The generation's secret: what travels between its members has it. */
    ticket: z.string(),
  }),
  z.strictObject({ type: z.literal('prepare'), stage: z.int().nonnegative() }),
  /** Asks for a share of this round of the frozen encoder's features, and to keep everybody's; `step` is the next one. */
  z.strictObject({ type: z.literal('encode'), step, round: z.int().nonnegative() }),
  z.strictObject({ type: z.literal('step'), assignment: assignmentSchema }),
  z.strictObject({
    type: z.literal('commit'),
    step,
    /** What to do next; null when something other than a step follows. */
    next: assignmentSchema.nullable(),
  }),
  /** Asks for what the model makes of the images of these evaluation batches, as they are or in the mirror. */
  z.strictObject({
    type: z.literal('evaluate'),
    split: z.enum(['train', 'test']),
    batches: rangeSchema,
    outputs: z.array(modelOutputSchema),
    mirrored: z.boolean(),
    /** How many batches make a block of features, which stay with the worker; null where outputs are sent. */
    keep: z.int().positive().nullable(),
  }),
  /** Asks for the k kept features nearest to each of these: a raw frame follows, float32 [rows, features]. */
  z.strictObject({ type: z.literal('neighbours'), k: z.int().positive(), rows: z.int().positive() }),
  /** Asks for the moments of the kept features. */
  z.strictObject({ type: z.literal('moments') }),
  /**
   * Asks for loss and gradient of a linear classifier on the kept features. Four raw frames follow, float32: what is
   * subtracted from the features and what they are then multiplied by [features], weights [features, classes], bias.
   */
  z.strictObject({ type: z.literal('probe') }),
  /** Asks for the proof of what a checkpoint holds, and maybe for its tensors, one `tensor` message each. */
  z.strictObject({ type: z.literal('snapshot'), tensors: z.boolean() }),
  /** Announces `count` `tensor` messages whose values replace the worker's. */
  z.strictObject({ type: z.literal('load'), count: z.int().nonnegative() }),
  z.strictObject({ type: z.literal('tensor'), name: z.string() }),
  /** Changes one bit of a tensor: what the comparison of replicas must notice (`lockstep verify --inject`). */
  z.strictObject({ type: z.literal('perturb'), tensor: z.string() }),
  /** Two raw frames follow: images (uint8, 32 x 32 x 3 each) and labels (uint8). */
  z.strictObject({ type: z.literal('samples'), split: z.enum(['train', 'test']), ids: z.array(z.int()) }),
  z.strictObject({ type: z.literal('beat') }),
  z.strictObject({ type: z.literal('stop'), error: z.string().nullable() }),
]);
export type CoordinatorMessage = z.infer<typeof coordinatorMessageSchema>;
export type CoordinatorMessageOf<T extends CoordinatorMessage['type']> = Extract<
  CoordinatorMessage,
  { type: T }
>;
