/** TensorBoard's events, serialised: the fields that Lockstep writes of event.proto, summary.proto, histogram.proto and tensor.proto. */
import {
  bytesField,
  doubleField,
  doublesField,
  floatField,
  integerField,
  messageField,
} from '../../shared/protobuf.js';
import type { Histogram } from './histogram.js';

/** When something happened. */
export interface Moment {
  /** Seconds since 1970. */
  readonly wallTime: number;
  /** Commits so far. */
  readonly step: number;
}

/** The first event of every file. Its version lets TensorBoard heed `sessionStart`. */
export function fileVersion(wallTime: number): Buffer {
  return Buffer.concat([doubleField(1, wallTime), bytesField(3, 'brain.Event:2')]);
}

/** What earlier files say of `step` and later is void: the run goes on from before it. */
export function sessionStart({ wallTime, step }: Moment): Buffer {
  const START = 1;
  return event({ wallTime, step }, messageField(7, integerField(1, START)));
}

/** Values of one step; each is made by `scalar`, `text` or `histogram`. */
export function summary(moment: Moment, values: readonly Buffer[]): Buffer {
  return event(moment, messageField(5, ...values));
}

/** TensorBoard keeps single precision. */
export function scalar(tag: string, value: number): Buffer {
  return messageField(1, bytesField(1, tag), floatField(2, value));
}

/** Shown as Markdown. */
export function text(tag: string, markdown: string): Buffer {
  const STRING = 7;
  const oneElement = messageField(2, messageField(2, integerField(1, 1)));
  const tensor = messageField(8, integerField(1, STRING), oneElement, bytesField(8, markdown));
  const metadata = messageField(9, messageField(1, bytesField(1, 'text')));
  return messageField(1, bytesField(1, tag), tensor, metadata);
}

/** Data of a plugin that has all of it in its summary's metadata: the tensor, of shape [0], has none. */
export function pluginData(tag: string, plugin: string, content: Uint8Array): Buffer {
  const FLOAT = 1;
  const empty = messageField(8, integerField(1, FLOAT), messageField(2, messageField(2)));
  const metadata = messageField(9, messageField(1, bytesField(1, plugin), bytesField(2, content)));
  return messageField(1, bytesField(1, tag), empty, metadata);
}

export function histogram(
  tag: string,
  { min, max, count, sum, sumSquares, limits, counts }: Histogram,
): Buffer {
  const body = messageField(
    5,
    doubleField(1, min),
    doubleField(2, max),
    doubleField(3, count),
    doubleField(4, sum),
    doubleField(5, sumSquares),
    doublesField(6, limits),
    doublesField(7, counts),
  );
  return messageField(1, bytesField(1, tag), body);
}

function event({ wallTime, step }: Moment, what: Buffer): Buffer {
  return Buffer.concat([doubleField(1, wallTime), integerField(2, step), what]);
}
