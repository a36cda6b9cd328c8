/** Which parameters have a learning rate of their own. */
import type { StageConfig } from '../config/schema.js';
import { LockstepError } from '../errors.js';
import { matches, nearestPattern } from '../plan/name-pattern.js';

/**
 * What the learning rate is multiplied by for each of a stage's trained parameters: of the entries that match its name
 * the last one counts; 1 where none does.
 *
 * @param index the stage's, for messages
 * @throws LockstepError CONFIG when an entry matches none of the parameters
 */
export function rateFactors(
  { name: stage, learningRates }: Pick<StageConfig, 'name' | 'learningRates'>,
  index: number,
  parameters: readonly string[],
): ReadonlyMap<string, number> {
  for (const [i, { match }] of learningRates.entries()) {
    if (parameters.some((name) => matches(match, name))) continue;
    const near = nearestPattern(match, parameters);
    const suggestion = near === undefined ? '' : `: did you mean '${near}'?`;
    throw new LockstepError(
      'CONFIG',
      `stages[${index}].learningRates[${i}].match '${match}' matches no parameter that stage '${stage}' trains${suggestion || '.'}`,
      { hint: `It trains ${parameters.length}, from '${parameters[0]}' to '${parameters.at(-1)}'.` },
    );
  }
  return new Map(
    parameters.map((name) => [
      name,
      learningRates.findLast(({ match }) => matches(match, name))?.factor ?? 1,
    ]),
  );
}
