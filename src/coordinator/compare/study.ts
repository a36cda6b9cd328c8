/** A study file: which configs are compared, over which seeds, and what they may spend. */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { complaints, refuse } from '../../shared/config/complaint.js';
import { deepFreeze } from '../../shared/config/frozen.js';
import { loadConfig, readText, readYaml } from '../../shared/config/load.js';
import { nearest } from '../../shared/config/nearest.js';
import { type Config, label } from '../../shared/config/schema.js';
import { LockstepError } from '../../shared/errors.js';
import { budgetRules } from './budget.js';

const seed = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);

export const studySchema = z.strictObject({
  name: label.describe('What the comparison is called.'),
  seeds: z
    .array(seed)
    .min(1)
    .default([1])
    .describe(
      'Every arm is trained once with each of them, whatever seed its config has. One says nothing about spread.',
    ),
  budget: z
    .enum(budgetRules)
    .default('samples')
    .describe(
      'What all arms spend alike, within 1 %. `samples`: training images, over all epochs of all stages. `encoderPasses`: what these cost the encoder, where each view of an image costs 1 forward and 2 more backward, so 3 in a stage that trains the encoder and 1 in one that freezes it, or 1 in all where its features are cached; one that is frozen in part counts as trained. `none`: nothing; the table says what each spent.',
    ),
  arms: z
    .array(
      z.strictObject({
        name: label.describe('What the arm is called in tables, and its folder; unique in the study.'),
        config: z.string().min(1).describe('Its config file, from the folder of the study file.'),
        set: z
          .array(z.string())
          .default([])
          .describe('Overrides of keys of the config, as `--set` has them: `stages.0.epochs=5`.'),
      }),
    )
    .min(2)
    .describe('What is compared. The first is what the others are measured against.'),
});

export interface Arm {
  readonly name: string;
  /** As the study file names it. */
  readonly file: string;
  /** All overrides, in order. */
  readonly set: readonly string[];
  /** Its seed is that of the file: see `withSeed`. */
  readonly config: Config;
}

export interface ComparisonStudy {
  readonly name: string;
  readonly seeds: readonly number[];
  readonly budget: (typeof budgetRules)[number];
  readonly arms: readonly Arm[];
}

export interface StudyChanges {
  /** `KEY=VALUE` for all arms, or `ARM:KEY=VALUE` for one; after the study's own. */
  readonly set?: readonly string[];
  /** So many seeds: the first of the study's, or those and the ones that follow the largest. */
  readonly repeats?: number | undefined;
  readonly budget?: ComparisonStudy['budget'] | undefined;
}

/** @throws LockstepError CONFIG that names the file and line, or the arm whose config is wrong */
export async function loadStudy(path: string, changes: StudyChanges = {}): Promise<ComparisonStudy> {
  const { value, locate } = readYaml(await readText(path), path);
  const result = studySchema.safeParse(value);
  const hint = 'docs/compare.md describes every key.';
  if (!result.success) refuse(complaints(result.error.issues, value, studySchema), locate, hint);
  const study = result.data!;
  const names = study.arms.map(({ name }) => name);
  const twice = names.findIndex((name, i) => names.indexOf(name) < i);
  if (twice >= 0) {
    const message = `arms[${twice}].name must be unique, but an earlier arm is called ${names[twice]} too`;
    refuse([{ path: ['arms', twice, 'name'], message }], locate, hint);
  }
  const more = (changes.set ?? []).map((text) => override(text, names));
  const arms = await Promise.all(
    study.arms.map(async ({ name, config: file, set: own }) => {
      const set = [...own, ...more.flatMap(({ arm, text }) => (arm === name || arm === null ? [text] : []))];
      return { name, file, set, config: await armConfig(join(dirname(path), file), set, name, path) };
    }),
  );
  const { name, budget } = study;
  const seeds = seedsOf([...new Set(study.seeds)], changes.repeats);
  return deepFreeze({ name, seeds, budget: changes.budget ?? budget, arms });
}

/** An arm's config for one seed. */
export function withSeed({ config }: Arm, seed: number): Config {
  return deepFreeze({ ...config, seed });
}

async function armConfig(file: string, set: readonly string[], arm: string, study: string): Promise<Config> {
  const seeded = set.find((text) => /^\s*seed\s*=/.test(text));
  if (seeded !== undefined) {
    throw new LockstepError('CONFIG', `${study}, arm ${arm}: ${seeded} has no place in an arm.`, {
      hint: 'All arms have the seeds of the study (seeds: [1, 2]).',
    });
  }
  let config: Config;
  try {
    config = await loadConfig(file, { set });
  } catch (cause) {
    if (!(cause instanceof LockstepError)) throw cause;
    const { hint } = cause.details;
    throw new LockstepError(cause.code, `${study}, arm ${arm}: ${cause.message}`, {
      cause,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  if (config.model.classifier !== undefined) return config;
  throw new LockstepError('CONFIG', `${study}, arm ${arm}: no stage of ${file} trains a classifier.`, {
    hint: 'Arms are compared by their accuracy on the test images: add a softmax stage.',
  });
}

/** @throws LockstepError USAGE for an arm that is not there */
function override(
  text: string,
  arms: readonly string[],
): { readonly arm: string | null; readonly text: string } {
  const [, arm, rest] = /^([^=:]+):(.*)$/s.exec(text) ?? [];
  if (arm === undefined || rest === undefined) return { arm: null, text };
  if (arms.includes(arm)) return { arm, text: rest };
  const near = nearest(arm, arms);
  throw new LockstepError('USAGE', `--set ${text}: there is no arm ${arm}.`, {
    hint: near === undefined ? `The arms are ${arms.join(', ')}.` : `Did you mean ${near}?`,
  });
}

function seedsOf(seeds: readonly number[], repeats: number | undefined): number[] {
  const last = Math.max(...seeds);
  return Array.from({ length: repeats ?? seeds.length }, (_, i) => seeds[i] ?? last + 1 + i - seeds.length);
}
