/** Made-up features and logits, and what NumPy and scikit-learn say of them: see evaluation-fixture.py. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../src/shared/package-root.js';

export interface Fixture {
  readonly classes: number;
  readonly width: number;
  readonly train: { readonly features: number[]; readonly labels: number[] };
  readonly test: { readonly features: number[]; readonly labels: number[]; readonly logits: number[] };
  readonly classifier: {
    readonly accuracy: number;
    readonly loss: number;
    readonly confusion: number[][];
    readonly recall: (number | null)[];
    readonly precision: (number | null)[];
    readonly ece: number;
    readonly binCounts: number[];
  };
  readonly knn: {
    readonly k: number;
    readonly temperature: number;
    readonly images: number[][];
    readonly plain: number[];
    readonly weighted: number[];
  };
  readonly probe: {
    readonly l2: number;
    readonly mean: number[];
    readonly scale: number[];
    readonly objective: number;
    readonly weights: number[];
    readonly accuracy: number;
    readonly loss: number;
  };
  readonly space: {
    readonly alignment: number;
    readonly uniformity: number;
    readonly explained: number[];
    readonly points: number[];
  };
}

export const fixture = JSON.parse(
  readFileSync(join(packageRoot, 'test', 'evaluation-fixture.json'), 'utf8'),
) as Fixture;
