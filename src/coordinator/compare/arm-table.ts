/** The table of a comparison, an arm a row: for the terminal and for the report. */
import { figures, percent } from '../progress-text.js';
import { intervalText, signed } from './answer.js';
import type { ArmResult } from './results.js';

/** All but the first are numbers; the deviation and the difference are in points of percent. */
export const armColumns: readonly string[] = [
  ...['arm', 'seeds', 'accuracy', 'deviation', '95 %', 'difference', '95 %'],
  ...['images', 'encoder passes', 'seconds', 'images/s'],
];

/** A dash for what is not known. */
export function armRow(result: ArmResult): string[] {
  const { arm, runs, diverged, accuracy, difference, samples, encoderPasses, seconds, imagesPerSec } = result;
  const apart = difference?.mean;
  return [
    arm,
    diverged.length === 0 ? `${runs}` : `${runs} (${diverged.length} diverged)`,
    known(accuracy?.mean, percent),
    known(accuracy?.deviation, (deviation) => (100 * deviation).toFixed(2)),
    known(accuracy?.interval, (ends) => ends.map((end) => (100 * end).toFixed(2)).join(' to ')),
    known(apart?.mean, signed),
    known(apart?.interval, intervalText),
    samples.toLocaleString('en'),
    encoderPasses.toLocaleString('en'),
    known(seconds, (value) => value.toFixed(1)),
    known(imagesPerSec, figures),
  ];
}

function known<T>(value: T | null | undefined, text: (value: T) => string): string {
  return value === null || value === undefined ? '–' : text(value);
}
