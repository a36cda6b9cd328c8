/** Numbers as people read them, events in words, and lines that fit a terminal. */
import type { EvalEvent, GenerationEvent, StepEvent } from './metrics.js';

/** Four significant figures, with an exponent only for the very small: 2.303, 0.01234, 1234, 1.2e-7. */
export function figures(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1000) return value.toFixed(0);
  if (size !== 0 && size < 1e-4) return value.toExponential(1);
  return value.toPrecision(4);
}

/** A fraction from 0 to 1 as percent, with two decimals: a step of CIFAR-10's accuracy is 0.01 %. */
export function percent(fraction: number): string {
  return Number.isFinite(fraction) ? `${(100 * fraction).toFixed(2)} %` : String(fraction);
}

/** Seconds as 0:42, 3:05 or 2:07:31. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60);
  const two = (value: number) => String(value).padStart(2, '0');
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** Joins as many of the leading parts as fit in `width` characters; the first is cut if even it doesn't fit. */
export function fitting(parts: readonly string[], width: number): string {
  let line = '';
  for (const part of parts) {
    const longer = line === '' ? part : `${line}  ${part}`;
    if (longer.length > width) break;
    line = longer;
  }
  return line === '' ? (parts[0] ?? '').slice(0, Math.max(0, width)) : line;
}

/** Where a step stands in its stage; what is unknown is undefined. */
export interface StepPlace {
  readonly epochs: number;
  /** From 1. */
  readonly stepInEpoch: number;
  readonly stepsPerEpoch: number | undefined;
  /** Until the end of the run. */
  readonly secondsLeft: number | undefined;
}

/** The most telling first: a narrow terminal shows as many as fit. */
export function describeStep(
  { stage, epoch, loss, accuracy, imagesPerSec }: StepEvent,
  { epochs, stepInEpoch, stepsPerEpoch, secondsLeft }: StepPlace,
): string[] {
  return [
    `${stage} ${epoch}/${epochs}`,
    `step ${stepInEpoch}${stepsPerEpoch === undefined ? '' : `/${stepsPerEpoch}`}`,
    `loss ${figures(loss)}`,
    ...(accuracy === undefined ? [] : [`acc ${percent(accuracy)}`]),
    `${figures(imagesPerSec)} images/s`,
    ...(secondsLeft === undefined ? [] : [`ETA ${duration(secondsLeft)}`]),
  ];
}

export function describeEvaluation({ stage, epoch, loss, accuracy, weights }: EvalEvent): string {
  const of = weights === undefined ? '' : ' (EMA weights)';
  return `${stage} epoch ${epoch}: test loss ${figures(loss)}, accuracy ${percent(accuracy)}${of}`;
}

export function describeGeneration({
  generation,
  workers,
  reason,
}: Pick<GenerationEvent, 'generation' | 'workers' | 'reason'>): string {
  return `generation ${generation}, ${workers} ${workers === 1 ? 'worker' : 'workers'}: ${reason}`;
}

/** A bar of `width` characters, filled by the fraction `done`. */
export function bar(done: number, width: number, colors: boolean): string {
  const filled = Math.round(Math.min(1, Math.max(0, done)) * width);
  const full = '█'.repeat(filled);
  return (colors ? `\x1b[32m${full}\x1b[39m` : full) + '░'.repeat(width - filled);
}
