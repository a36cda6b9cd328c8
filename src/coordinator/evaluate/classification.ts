/** What logits come to: accuracy, cross-entropy, each class by itself, who is taken for whom. In float64, image by image. */
import type { Rows } from './rows.js';

export interface Classification {
  /** Fraction of right answers. */
  readonly accuracy: number;
  /** Mean cross-entropy in nats: the negative log-likelihood of the right class. */
  readonly loss: number;
}

/** What the model says of one image after the other. */
export interface Answers {
  /** The class of the largest logit; of equal ones the first. */
  readonly predicted: Uint8Array;
  /** Its softmax probability. */
  readonly confidence: Float64Array;
  /** −ln of the right class's softmax probability, in nats. */
  readonly losses: Float64Array;
}

/** @param labels of the first rows: as many as there are */
export function answers({ values, width }: Rows, labels: Uint8Array): Answers {
  const count = values.length / width;
  const predicted = new Uint8Array(count);
  const confidence = new Float64Array(count);
  const losses = new Float64Array(count);
  for (let i = 0; i < count; i += 1) {
    const logits = values.subarray(i * width, (i + 1) * width);
    let best = 0;
    for (let c = 1; c < width; c += 1) if (logits[c]! > logits[best]!) best = c;
    // Relative to the largest, so that no exponential overflows.
    let sum = 0;
    for (const logit of logits) sum += Math.exp(logit - logits[best]!);
    predicted[i] = best;
    confidence[i] = 1 / sum;
    losses[i] = Math.log(sum) + logits[best]! - logits[labels[i]!]!;
  }
  return { predicted, confidence, losses };
}

export function classification(logits: Rows, labels: Uint8Array): Classification {
  const { predicted, losses } = answers(logits, labels);
  return { accuracy: accuracyOf(predicted, labels), loss: mean(losses) };
}

export function accuracyOf(predicted: Uint8Array, labels: Uint8Array): number {
  let right = 0;
  for (const [i, answer] of predicted.entries()) if (answer === labels[i]) right += 1;
  return right / predicted.length;
}

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i]!;
  return sum / values.length;
}

/** Rows: what an image is; columns: what it was taken for. In images. */
export function confusionMatrix(predicted: Uint8Array, labels: Uint8Array, classes: number): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (const [i, answer] of predicted.entries()) matrix[labels[i]!]![answer]! += 1;
  return matrix;
}

export interface ClassScore {
  /** Of this class. */
  readonly images: number;
  /** Right answers among the images of the class, its own accuracy; null without images. */
  readonly recall: number | null;
  /** Right answers among those that name the class; null if none does. */
  readonly precision: number | null;
}

export function classScores(confusion: readonly (readonly number[])[]): ClassScore[] {
  return confusion.map((row, c) => {
    const right = row[c]!;
    const images = row.reduce((sum, count) => sum + count, 0);
    const named = confusion.reduce((sum, other) => sum + other[c]!, 0);
    return {
      images,
      recall: images === 0 ? null : right / images,
      precision: named === 0 ? null : right / named,
    };
  });
}
