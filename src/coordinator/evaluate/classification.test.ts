import { describe, expect, it } from 'vitest';
import { fixture } from '../../../test/evaluation-fixture.js';
import { calibration } from './calibration.js';
import { accuracyOf, answers, classification, classScores, confusionMatrix } from './classification.js';

const { test, classes, classifier } = fixture;
const logits = { values: Float32Array.from(test.logits), width: classes };
const labels = Uint8Array.from(test.labels);

describe('what logits come to', () => {
  it('is what scikit-learn says', () => {
    const { accuracy, loss } = classification(logits, labels);
    expect(accuracy).toBe(classifier.accuracy);
    expect(loss).toBeCloseTo(classifier.loss, 6);
    const confusion = confusionMatrix(answers(logits, labels).predicted, labels, classes);
    expect(confusion).toEqual(classifier.confusion);
    const scores = classScores(confusion);
    expect(scores.map(({ recall }) => recall)).toEqual(classifier.recall);
    expect(scores.map(({ precision }) => precision)).toEqual(classifier.precision);
    // No image is taken for class 7: scikit-learn divides by zero, too.
    expect(scores[7]).toEqual({ images: 7, recall: 0, precision: null });
  });

  it('takes the first of equal logits, and survives large ones', () => {
    const rows = { values: Float32Array.of(1, 1, 1000, -1000, -2000, -1000), width: 3 };
    const { predicted, confidence, losses } = answers(rows, Uint8Array.of(2, 1));
    expect([...predicted]).toEqual([2, 0]);
    expect([...confidence]).toEqual([1, 0.5]);
    expect([...losses]).toEqual([0, 1000 + Math.log(2)]);
  });

  it('of a model that has diverged is not a number', () => {
    const rows = { values: new Float32Array(4).fill(Number.NaN), width: 2 };
    const { predicted, confidence } = answers(rows, Uint8Array.of(0, 1));
    expect(classification(rows, Uint8Array.of(0, 1))).toEqual({ accuracy: 0.5, loss: Number.NaN });
    expect(calibration(confidence, [true, false]).ece).toBe(Number.NaN);
    expect(accuracyOf(predicted, Uint8Array.of(0, 1))).toBe(0.5);
  });
});

describe('calibration', () => {
  it("is what NumPy's bins give", () => {
    const { predicted, confidence } = answers(logits, labels);
    const right = Array.from(predicted, (answer, i) => answer === labels[i]);
    const { ece, bins } = calibration(confidence, right);
    expect(ece).toBeCloseTo(classifier.ece, 6);
    expect(bins.map(({ count }) => count)).toEqual(classifier.binCounts);
  });

  it('by hand: bins are open below and closed above', () => {
    const { ece, bins } = calibration(Float64Array.of(0.5, 0.25, 1, 1), [true, false, true, false], 2);
    expect(bins).toEqual([
      { from: 0, to: 0.5, count: 2, confidence: 0.375, accuracy: 0.5 },
      { from: 0.5, to: 1, count: 2, confidence: 1, accuracy: 0.5 },
    ]);
    expect(ece).toBe(0.5 * 0.125 + 0.5 * 0.5);
    expect(calibration(Float64Array.of(0.9), [true], 2).bins[0]).toMatchObject({ count: 0, accuracy: null });
  });
});
