// What Lockstep promises against its peers, section by section, and the verdict on a measurement.
// @ts-check
import { PRECISIONS } from './contestants.mjs';
import { ratiosByRound, summary } from './statistics.mjs';

/** @typedef {import('./contestants.mjs').Figures} Figures */
/** @typedef {import('./statistics.mjs').Summary} Summary */
/** @typedef {'step' | 'stem' | 'workers' | 'allreduce' | 'memory' | 'start'} SectionName */
/**
 * `over` is a contestant's figure divided by another's in the same round or turn; without it the figure itself is judged.
 * @typedef {object} Claim
 * @property {string} text
 * @property {string} of
 * @property {string} [over]
 * @property {keyof Figures} figure
 * @property {'atLeast' | 'atMost'} bound
 * @property {number} target
 */
/** @typedef {{ title: string, shown: readonly (keyof Figures)[], claims: readonly Claim[] }} Section */
/** @typedef {{ claim: Claim, measured?: Summary, verdict: 'met' | 'missed' | 'not measured' }} Judgement */
/** @typedef {Readonly<Record<string, readonly (Figures | undefined)[]>>} Rounds by contestant, one entry a round or turn */

/** @type {(over: string, target: number, text: string) => (of: string, precision: string) => Claim} */
const throughput = (over, target, text) => (of, precision) => ({
  text: `${precision}: ${text}`,
  of: `${of}-${precision}`,
  over: `${over}-${precision}`,
  figure: 'imagesPerSec',
  bound: 'atLeast',
  target,
});

/** @type {Readonly<Record<SectionName, Section>>} */
export const SECTIONS = {
  step: {
    title: 'One worker, 2 threads, batch 32',
    shown: ['imagesPerSec', 'ms'],
    claims: PRECISIONS.flatMap((precision) => [
      throughput('torch', 1.05, 'images/s against PyTorch')('ours', precision),
      throughput('tf', 0.97, 'images/s against TensorFlow')('ours', precision),
    ]),
  },
  stem: {
    title: 'ImageNet stem on 32x32 images: one worker, 2 threads, batch 132',
    shown: ['imagesPerSec', 'ms'],
    claims: PRECISIONS.flatMap((precision) => [
      throughput(
        'torch-imagenet',
        1.05,
        'ImageNet stem, images/s against PyTorch',
      )('ours-imagenet', precision),
      throughput(
        'tf-imagenet',
        0.97,
        'ImageNet stem, images/s against TensorFlow',
      )('ours-imagenet', precision),
    ]),
  },
  workers: {
    title: 'Two workers of one thread, batch 2 x 16',
    shown: ['imagesPerSec', 'ms'],
    claims: PRECISIONS.flatMap((precision) => [
      throughput('ddp', 1.05, 'images/s in shared memory against PyTorch DDP')('shm', precision),
      throughput('none', 0.97, 'images/s in shared memory against no exchange')('shm', precision),
      throughput('none', 0.9, 'images/s over TCP against no exchange')('tcp', precision),
    ]),
  },
  allreduce: {
    title: 'All-reduce of 94 MB between two processes',
    shown: ['ms'],
    claims: [
      {
        text: "gloo's time over ours in shared memory",
        of: 'allreduce-gloo',
        over: 'allreduce-shm',
        figure: 'ms',
        bound: 'atLeast',
        target: 2,
      },
      {
        text: "gloo's time over ours over TCP",
        of: 'allreduce-gloo',
        over: 'allreduce-tcp',
        figure: 'ms',
        bound: 'atLeast',
        target: 1,
      },
    ],
  },
  memory: {
    title: 'Peak resident memory, one worker',
    shown: ['peakRssBytes'],
    claims: PRECISIONS.map((precision) => ({
      text: `${precision}: peak RSS against TensorFlow`,
      of: `ours-${precision}`,
      over: `tf-${precision}`,
      figure: 'peakRssBytes',
      bound: 'atMost',
      target: 1.1,
    })),
  },
  start: {
    title: 'From process start to the end of the first step, one worker',
    shown: ['startToFirstStepMs'],
    claims: PRECISIONS.map((precision) => ({
      text: `${precision}: process start to first step, ms`,
      of: `ours-${precision}`,
      figure: 'startToFirstStepMs',
      bound: 'atMost',
      target: 8000,
    })),
  },
};

/**
 * The contestants whose figures a section shows.
 * @param {SectionName} name
 * @returns {Set<string>}
 */
export function contestantsOf(name) {
  const ids = new Set(
    SECTIONS[name].claims.flatMap(({ of, over }) => (over === undefined ? [of] : [of, over])),
  );
  // The peers' memory and start are shown beside ours, though nothing is promised against all of them.
  if (name === 'memory' || name === 'start') {
    for (const precision of PRECISIONS) for (const peer of ['torch', 'tf']) ids.add(`${peer}-${precision}`);
  }
  return ids;
}

/**
 * @param {Claim} claim
 * @param {Rounds} rounds
 * @returns {Judgement} a verdict on the median over the rounds, unrounded
 */
export function judge(claim, rounds) {
  const figures = (/** @type {string} */ id) => (rounds[id] ?? []).map((figure) => figure?.[claim.figure]);
  const values =
    claim.over === undefined
      ? figures(claim.of).filter((value) => value !== undefined)
      : ratiosByRound(figures(claim.of), figures(claim.over));
  if (values.length === 0) return { claim, verdict: 'not measured' };
  const measured = summary(values);
  const met = claim.bound === 'atLeast' ? measured.median >= claim.target : measured.median <= claim.target;
  return { claim, measured, verdict: met ? 'met' : 'missed' };
}
